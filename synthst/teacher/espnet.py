"""The teacher that is an ESPnet model of ours: batched search, any device."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path

from synthst.espnet.load import load_model
from synthst.espnet.search import SearchOptions
from synthst.espnet.translate import translate_sentences
from synthst.teacher.protocol import Hypothesis, SearchSettings

BATCH_TOKENS = {"cpu": 4_096, "cuda": 65_536}  # speed only: batches do not change translations


class EspnetTeacher:
    """Translate with the model in a directory, see `synthst.espnet.load.load_model`."""

    def __init__(self, directory: Path, settings: SearchSettings, device: str = "cpu") -> None:
        """Load the model onto ``device``, "cpu" or "cuda"; raises DataError when it is not whole."""
        self._trained = load_model(directory, device=device)
        self._settings = settings
        batch_tokens = BATCH_TOKENS[device.partition(":")[0]]
        self._options = SearchOptions(**asdict(settings), batch_tokens=batch_tokens)

    @property
    def identity(self) -> Mapping[str, object]:
        """Identify the teacher by its weights and its tokenisers, not by where they are."""
        return {
            "kind": "espnet",
            "name": self._trained.directory.name,
            "weights_sha256": self._trained.checksum,
            "src_tokenizer_sha256": self._trained.src_tokenizer.checksum,
            "tgt_tokenizer_sha256": self._trained.tgt_tokenizer.checksum,
        }

    @property
    def settings(self) -> SearchSettings:
        """Say how it searches."""
        return self._settings

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Return the n-best lists, best first, or the samples; scores are as the search ranks."""
        translated = translate_sentences(self._trained, sources, self._options)
        return [[Hypothesis(*astuple(one)) for one in translations] for translations in translated]
