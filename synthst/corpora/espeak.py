"""Speak text with espeak-ng in many voices: one text, voice and seed give the same samples on every call.

The library (espeak-ng 1.52, GPL-3.0-or-later) comes with the package espeakng-loader, which is installed on
its own and only called here. A voice is an accent of a language and a variant, such as "en-us+f3".
"""

import ctypes
import importlib.metadata
import os
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np

from synthst.errors import ConfigError, DataError, install_command

Pcm = np.ndarray[Any, np.dtype[np.int16]]
VoiceSet = Literal["train", "dev", "test", "all"]

DISTRIBUTION = "espeakng-loader"
ACCENTS = {
    "en": ("en-029", "en", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp", "en-us")
    + ("en-us-nyc",),
    "de": ("de",),
    "es": ("es", "es-419"),
    "fr": ("fr", "fr-be", "fr-ch"),
    "ru": ("ru",),
}
# One of each group that sounds alike, without robots and whispers; a variant belongs to one set for good, so
# that neither another seed nor another corpus lets a model train on a voice that it is tested with.
WOMEN = {
    "train": "Alicia Andrea anika belinda f1 f3 f5 grandma shelby",
    "dev": "f2 linda",
    "test": "Annie f4 steph",
}
MEN = {
    "train": "Alex Andy Diogo Gene Hugo Marco Mario Michael Nguyen Reed Tweaky antonio benjamin boris david"
    " ed edward grandpa gustave ian iven2 john kaukovalta klatt klatt4 m1 m3 m4 m6 m7 m8 marcelo max miguel"
    " mike2 pablo pedro robert sandro victor",
    "dev": "Denis m5 norbert",
    "test": "Lee Storm m2 paul quincy travis",
}

_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF_8 = 1
_BY_CHARACTER = 1
_NO_VOICE, _FAILED = 3, 4  # exit statuses of the process that speaks
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def voice_names(lang: str, voices: VoiceSet) -> list[str]:
    """List the voices of a language that belong to a set. Raises ConfigError for what we have no voice of."""
    variants = [*_variants(WOMEN, voices), *_variants(MEN, voices)]
    return sorted(f"{accent}+{variant}" for accent in _accents(lang) for variant in variants)


def choose_voice(utterance: str, *, lang: str, voices: VoiceSet, seed: int) -> str:
    """Choose an utterance's voice by its id and the seed: women as often as men, and each accent as often."""
    number = hash_number(f"{seed} voice {utterance}")
    number, is_man = divmod(number, 2)
    variants = _variants(MEN if is_man else WOMEN, voices)
    number, variant = divmod(number, len(variants))
    accents = _accents(lang)
    return f"{accents[number % len(accents)]}+{variants[variant]}"


def hash_number(name: str) -> int:
    """Turn a name into a number of 64 bits that looks random."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest())


def _accents(lang: str) -> tuple[str, ...]:
    if lang not in ACCENTS:
        raise ConfigError(f"no voice is listed for {lang!r}; speak one of {', '.join(sorted(ACCENTS))}")
    return ACCENTS[lang]


def _variants(by_set: Mapping[str, str], voices: VoiceSet) -> list[str]:
    if voices == "all":
        return sorted(" ".join(by_set.values()).split())
    if voices not in by_set:
        raise ConfigError(f"no set of voices is called {voices!r}; choose train, dev, test or all")
    return by_set[voices].split()


def espeak_version() -> str:
    """Return the version of espeakng-loader. Raises ConfigError when it is not installed."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigError(f"{DISTRIBUTION} is not installed; {install_command('espeak')}") from error


class Espeak:
    """espeak-ng as it is after its start.

    The library remembers earlier utterances, so this process never speaks: each utterance is the first one
    of a fork. Its noise and flutter are random, hence the seed.
    """

    def __init__(self) -> None:
        """Start the library. Raises ConfigError if it is not installed, DataError if it does not start."""
        espeak_version()
        import espeakng_loader  # optional, and only here

        self._data = Path(espeakng_loader.get_data_path())
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        self._c = ctypes.CDLL(None)
        self.rate: int = self._library.espeak_Initialize(
            _SYNCHRONOUS, 0, os.fsencode(self._data), _DO_NOT_EXIT
        )
        if self.rate <= 0:
            raise DataError(
                f"espeak-ng does not start with its data in {self._data}; install {DISTRIBUTION} again"
            )

    def speak(self, text: str, voice: str, *, seed: int = 0) -> Pcm:
        """Return the samples, int16 (samples,) at ``rate`` Hz; a text without a word gives none or a few.

        Raises DataError when espeak-ng lacks the voice, or ends by a fault of its own on the text.
        """
        variant = voice.partition("+")[2]
        if variant and not (self._data / "voices" / "!v" / variant).is_file():
            raise DataError(f"espeak-ng has no variant {variant!r} of {voice}; install {DISTRIBUTION} 0.2.4")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            self._speak_and_exit(text, voice, seed, reading, writing)
        os.close(writing)
        with open(reading, "rb") as pipe:
            samples = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == _NO_VOICE:
            raise DataError(f"espeak-ng has no voice {voice}; install {DISTRIBUTION} 0.2.4")
        if status:
            raise DataError(f"espeak-ng failed on {text!r} in {voice} (status {status}); leave this text out")
        return np.frombuffer(samples, dtype=np.int16)

    def _speak_and_exit(self, text: str, voice: str, seed: int, reading: int, writing: int) -> None:
        """Write the samples to ``writing``, and end this process without its parent's clean-up."""
        status = _FAILED
        try:
            os.close(reading)  # or it would wait for itself to read, once its parent is killed
            status = self._speak_here(text, voice, seed, writing)
        finally:
            os._exit(status)

    def _speak_here(self, text: str, voice: str, seed: int, writing: int) -> int:
        """Change the library's state: for a process that ends after this."""
        pieces: list[bytes] = []

        def collect(wav: Any, samples: int, events: Any) -> int:
            if wav and samples > 0:
                pieces.append(ctypes.string_at(wav, samples * 2))
            return 0

        callback = _CALLBACK(collect)
        self._c.srand(seed % 2**31)
        self._library.espeak_ng_SetRandSeed(seed % 2**31)
        self._library.espeak_SetSynthCallback(callback)
        if self._library.espeak_SetVoiceByName(os.fsencode(voice)):
            return _NO_VOICE
        content = text.encode() + b"\0"
        if self._library.espeak_Synth(
            content, ctypes.c_size_t(len(content)), 0, _BY_CHARACTER, 0, _UTF_8, None, None
        ):
            return _FAILED
        with open(writing, "wb") as pipe:
            pipe.write(b"".join(pieces))
        return 0


@cache
def load_espeak() -> Espeak:
    """Start the library once per process."""
    return Espeak()
