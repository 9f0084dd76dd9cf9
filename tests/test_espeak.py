"""Voices, and that espeak-ng says the same whatever it said before."""

import re
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import pytest

from synthst.corpora import espeak
from synthst.corpora.espeak import ACCENTS, MEN, WOMEN, choose_voice, load_espeak, voice_names
from synthst.errors import ConfigError, DataError, install_command

pytestmark = pytest.mark.skipif(not find_spec("espeakng_loader"), reason="espeakng-loader is not installed")

TEXT = "Click the icon."
SPEAK = """
from hashlib import sha256
from synthst.corpora.espeak import load_espeak
print(sha256(load_espeak().speak({text!r}, {voice!r}, seed={seed}).tobytes()).hexdigest())
"""


def variants(name: str) -> set[str]:
    return {voice.partition("+")[2] for voice in voice_names("en", name)}  # type: ignore[arg-type]


def test_no_variant_is_heard_in_two_sets() -> None:
    assert [len(variants(name)) for name in ("train", "dev", "test")] == [49, 5, 9]
    assert len(variants("all")) == 63
    assert len(voice_names("en", "all")) == 8 * 63


@pytest.mark.parametrize("lang", ACCENTS)
def test_espeak_has_every_accent(lang: str) -> None:
    for accent in ACCENTS[lang]:
        assert load_espeak().speak("Radio", f"{accent}+f1").any()


def test_espeak_has_every_variant() -> None:
    import espeakng_loader

    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    assert variants("all") <= {file.name for file in folder.iterdir()}


def test_choose_voice_depends_on_id_and_seed_only() -> None:
    chosen = [choose_voice(f"utt{n}", lang="en", voices="train", seed=0) for n in range(1000)]
    assert set(chosen) <= set(voice_names("en", "train"))
    assert choose_voice("utt7", lang="en", voices="train", seed=0) == chosen[7]
    others = [choose_voice(f"utt{n}", lang="en", voices="train", seed=1) for n in range(1000)]
    assert sum(one == two for one, two in zip(chosen, others, strict=True)) < 20


def test_choose_voice_takes_women_as_often_as_men_and_every_accent() -> None:
    chosen = [choose_voice(f"utt{n}", lang="en", voices="train", seed=0) for n in range(1000)]
    men = sum(voice.partition("+")[2] in MEN["train"].split() for voice in chosen)
    women = sum(voice.partition("+")[2] in WOMEN["train"].split() for voice in chosen)
    assert men + women == 1000
    assert 450 < men < 550  # 500, and three standard deviations of 16
    accents = Counter(voice.partition("+")[0] for voice in chosen)
    assert set(accents) == set(ACCENTS["en"])
    assert min(accents.values()) > 90  # 125, and three standard deviations of 10.5


def test_speak_says_the_same_after_other_utterances_and_in_another_process() -> None:
    speaker, voice = load_espeak(), "en-us+f3"  # it breathes: that noise is random
    first = speaker.speak(TEXT, voice, seed=5)
    speaker.speak("Quite another text, and a longer one.", "en+klatt", seed=1)
    assert (speaker.speak(TEXT, voice, seed=5) == first).all()
    script = SPEAK.format(text=TEXT, voice=voice, seed=5)
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert found.strip() == sha256(first.tobytes()).hexdigest()


def test_speak_varies_the_noise_by_the_seed() -> None:
    one, two = (load_espeak().speak(TEXT, "en-us+f3", seed=seed) for seed in (1, 2))
    assert len(one) == len(two)
    assert (one != two).any()


def test_speak_takes_as_long_as_a_speaker_would() -> None:
    samples = load_espeak().speak("This is a sentence of nine words, I think.", "en-us+m1")
    assert load_espeak().rate == 22_050
    assert 1.8 < len(samples) / 22_050 < 4.5  # 120 to 300 words a minute
    assert abs(samples).max() > 3000


@pytest.mark.parametrize("text", ["...", "", "—"])
def test_speak_gives_silence_for_a_text_without_words(text: str) -> None:
    samples = load_espeak().speak(text, "en-us+m1")
    assert len(samples) < 2205
    assert not samples.any()


@pytest.mark.parametrize(
    "text", ["<b>File</b> & [[x]]", "Tools - Options > ~View", "see https://a.org/b?c=1", "中"]
)
def test_speak_reads_what_is_no_plain_text(text: str) -> None:
    assert load_espeak().speak(text, "en-us+m1").any()


@pytest.mark.parametrize(("voice", "message"), [("xx+f1", "no voice xx"), ("en+zz", "no variant 'zz' of en")])
def test_speak_refuses_a_voice_that_espeak_lacks(voice: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_espeak().speak(TEXT, voice)


def test_speak_names_the_text_that_espeak_failed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = espeak.Espeak()
    monkeypatch.setattr(speaker, "_speak_here", lambda *_: 9)
    with pytest.raises(DataError, match="failed on 'Click the icon.' .*status 9"):
        speaker.speak(TEXT, "en+f1")


def test_voices_refuse_an_unknown_language_or_set() -> None:
    with pytest.raises(ConfigError, match="'xx'; speak one of de, en, es, fr, ru"):
        voice_names("xx", "train")
    with pytest.raises(ConfigError, match="'tests'; choose train, dev, test or all"):
        voice_names("en", "tests")  # type: ignore[arg-type]


def test_espeak_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "DISTRIBUTION", "no-such-loader")
    with pytest.raises(ConfigError, match=re.escape(install_command("espeak"))):
        espeak.Espeak()
