"""The packages and lists of egs/wesnoth/mt1 in a toy language, and settings with which it runs in seconds."""

import random
from pathlib import Path

from test_descriptions import LIST, key_of
from test_handbook import make_guide
from test_wesnoth import make_campaign
from toy import SETTINGS as MT_SETTINGS
from toy import make_packages
from toy_steel_sky import sentences, turn_round

MESSAGES, PAGES = 200, 100
LIMITS = "max_dev: 30\nmax_test: 30\n"
SETTINGS = {
    **{name: MT_SETTINGS[name] for name in ("tokenizers", "teacher", "student")},
    "libreoffice": LIMITS,
    "descriptions": LIMITS,
    "handbook": f"{LIMITS}manuals: [installation]\n",
    "wesnoth": "campaigns: [tsg]\n",
    "indomain": "training: {max_steps: 20, warmup_steps: 5, validate_every: 10}\n",
    "finetune": "training: {max_steps: 20, warmup_steps: 5, validate_every: 10}\n",
}


def make_domains(folder: Path) -> Path:
    """Write help pages, lists of descriptions, a guide and a campaign, whose German is English turned round.

    The long description of package n is the campaign's message n.
    """
    make_packages(folder)
    say = sentences(random.Random(3))
    messages = [say() for _ in range(MESSAGES)]
    make_campaign(folder, "tsg", {message: turn_round(message) for message in messages})
    texts = [(say(), message) for message in messages]
    for lang, translate in (("en", str), ("de", turn_round)):
        entries = [
            LIST.format(
                package=f"pa{chr(97 + number // 26)}{chr(97 + number % 26)}",
                md5=key_of(number),
                lang=lang,
                text=f"{translate(short)}\n {translate(long)}",
            )
            for number, (short, long) in enumerate(texts)
        ]
        (folder / f"Translation-{lang}").write_text("\n".join(entries), encoding="utf-8")
    pages = {f"p{number:02d}": [say(), say()] for number in range(PAGES)}
    make_guide(
        folder,
        {
            lang: {
                page: "".join(f"<p>{translate(text)}</p>" for text in texts) for page, texts in pages.items()
            }
            for lang, translate in (("en", str), ("de", turn_round))
        },
    )
    return folder
