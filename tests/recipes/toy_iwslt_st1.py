"""All corpora of egs/iwslt22_en_de/st1 in a toy language, in their own forms, and settings for seconds."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from toy import SPEECH_SETTINGS
from toy_asr import (
    write_commonvoice,
    write_covost,
    write_europarl_st,
    write_librispeech,
    write_tedlium,
    write_voxpopuli,
)
from toy_iwslt import write_iwslt, write_mustc, write_st_ted
from toy_steel_sky import sentences, turn_round

NO_BOUNDS = "bounds: null\n"
SETTINGS = {
    **{name: SPEECH_SETTINGS[name] for name in ("tokenizers", "tokenizers_asr", "indomain")},
    "teacher": SPEECH_SETTINGS["teacher"].replace("max_steps: 200", "max_steps: 100"),
    **{name: SPEECH_SETTINGS[name] for name in ("recogniser", "student")},
    **dict.fromkeys(("mustc", "st_ted", "europarl_st", "covost", "iwslt", "tedlium"), NO_BOUNDS),
    "audio": "speeds: [1.0]\n",
    "commonvoice": "part: validated\n",
    "librispeech": "parts: [train-clean-100]\n",
    "voxpopuli": "parts: [train]\ntext_field: orig_text\n",
}
SIZES = {"mustc": 32, "st_ted": 8, "europarl_st": 6, "covost": 6}  # sentences of training, in each
EXTRA = {"librispeech": 4, "tedlium": 4, "commonvoice": 4, "voxpopuli": 4}
DEV, COMMON, TALKS = 8, 8, {767: 4, 9: 3}


def make_corpora(folder: Path) -> Path:
    """Write every corpus below ``folder``, whose German is English with every word turned round."""
    say = sentences(random.Random(5))
    mustc = folder / "MUSTC_v2.0"
    write_mustc(mustc, "train", {talk: pairs(say, SIZES["mustc"] // 4) for talk in range(1, 5)})
    write_mustc(mustc, "dev", {21: pairs(say, DEV)})
    write_mustc(mustc, "tst-COMMON", {31: pairs(say, COMMON)})
    write_st_ted(folder / "iwslt-corpus", {51: pairs(say, SIZES["st_ted"])})
    write_europarl_st(folder / "europarl-st/v1.1", pairs(say, SIZES["europarl_st"]))
    talks = {talk: pairs(say, lines) for talk, lines in TALKS.items()}
    write_iwslt(folder / "IWSLT", "tst2010", talks, write_audio=write_stereo)
    clips = [say() for _ in range(SIZES["covost"] + 2)]
    write_commonvoice(folder / "cv-corpus-4-2019-12-10/en", clips)
    rows = [(number, turn_round(clip), "train") for number, clip in enumerate(clips[: SIZES["covost"]], 1)]
    write_covost(folder / "covost_v2.en_de.tsv", rows)
    more = [*clips[: SIZES["covost"]], *(say() for _ in range(EXTRA["commonvoice"]))]
    write_commonvoice(folder / "commonvoice/en", more)
    write_librispeech(folder / "LibriSpeech", "train-clean-100", some(say, EXTRA["librispeech"]))
    write_tedlium(folder / "TEDLIUM_release-3", "train", some(say, EXTRA["tedlium"]))
    write_voxpopuli(folder / "voxpopuli", some(say, EXTRA["voxpopuli"]))
    return folder


def write_stereo(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write two channels, as some lectures of tst2018 have them."""
    soundfile.write(path, np.stack([samples, samples], axis=1), rate)


def some(say: Callable[[], str], count: int) -> list[str]:
    """Return new sentences."""
    return [say() for _ in range(count)]


def pairs(say: Callable[[], str], count: int) -> list[tuple[str, str]]:
    """Return new sentences with their translations."""
    return [(sentence, turn_round(sentence)) for sentence in some(say, count)]
