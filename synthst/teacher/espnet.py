"""The teacher that is an ESPnet model of ours: batched search, any device."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from synthst.espnet.files import find_model_files
from synthst.espnet.options import BATCH_TOKENS, SearchOptions, Stopping
from synthst.teacher.protocol import Hypothesis, SearchSettings

if TYPE_CHECKING:
    from synthst.espnet.load import TrainedModel


@dataclass(frozen=True)
class EspnetOptions:
    """How a beam ends, see `SearchOptions`: ``first_come`` finds what an exported model finds."""

    stopping: Stopping = "shrinking"


class EspnetTeacher:
    """Translate with the model in a directory, see `synthst.espnet.load.load_model`.

    torch and the weights are loaded for the first translation: what is in a store already needs neither.
    """

    def __init__(
        self,
        directory: Path,
        settings: SearchSettings,
        device: str = "cpu",
        options: EspnetOptions = EspnetOptions(),  # noqa: B008
    ) -> None:
        """Find the model, to be loaded onto ``device``, "cpu" or "cuda"; raises DataError if a file lacks."""
        self._files, self._device = find_model_files(directory), device
        self._settings = settings
        batch_tokens = BATCH_TOKENS[device.partition(":")[0]]
        self._options = SearchOptions(**asdict(settings), batch_tokens=batch_tokens, **asdict(options))

    @property
    def identity(self) -> Mapping[str, object]:
        """Identify the teacher by its weights and its tokenisers, not by where they are."""
        stopping = {"stopping": self._options.stopping} if self._options.first_come else {}
        return {
            "kind": "espnet",
            "name": self._files.directory.name,
            "weights_sha256": self._files.checksum,
            "src_tokenizer_sha256": self._files.src_tokenizer.checksum,
            "tgt_tokenizer_sha256": self._files.tgt_tokenizer.checksum,
            **stopping,
        }

    @property
    def settings(self) -> SearchSettings:
        """Say how it searches."""
        return self._settings

    def translate(self, sources: Sequence[str]) -> list[list[Hypothesis]]:
        """Return the n-best lists, best first, or the samples; scores are as the search ranks."""
        from synthst.espnet.translate import translate_sentences

        translated = translate_sentences(self._trained, sources, self._options)
        return [[Hypothesis(*astuple(one)) for one in translations] for translations in translated]

    @cached_property
    def _trained(self) -> "TrainedModel":
        from synthst.espnet.load import load_model  # torch takes seconds to load

        return load_model(self._files.directory, device=self._device)
