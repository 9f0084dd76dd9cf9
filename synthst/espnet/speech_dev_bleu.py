"""Measure BLEU on the development set's recordings during a training, by greedy search."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthst.espnet.dev_bleu import make_bleu, refuse_unknown
from synthst.espnet.search import SearchOptions
from synthst.espnet.speech_batches import read_spoken
from synthst.espnet.speech_search import search_speech
from synthst.tokens import Tokenizer

GREEDY = SearchOptions(beam=1, max_ratio=0.5, max_extra=10)
"""With the length limit of conf/decode_st_beam4.yaml, which counts the encoder's frames."""


class SpokenDevBleu:
    """Recordings that a model in training translates; see `DevBleu`."""

    def __init__(self, tokens: Path, audio: Sequence[Path], *, tgt: str, tokenizer: Path) -> None:
        """Find the recordings in ``audio`` and read the references; ``tokenizer`` is the target side's."""
        self.recordings = read_spoken(tokens, audio, {"text": tgt})
        references = self.recordings.texts["text"]
        refuse_unknown(tokens, tgt, references)
        self.decode = Tokenizer(tokenizer).decode
        rows = self.recordings.spoken.rows.tolist()
        self.bleu = make_bleu(tgt, [self.decode(references[row].tolist()) for row in rows])

    def measure(self, model: Any) -> float:
        """Return the BLEU (0..100) of greedy search; leaves the model in eval mode."""
        model.eval()
        numbers = range(len(self.recordings))
        audio = ((str(number), self.recordings.read(number)) for number in numbers)
        results = search_speech(model, audio, GREEDY, rate=self.recordings.spoken.rate)
        found = {int(one.utterance): self.decode(one.hypotheses[0].tokens) for one in results}
        return float(self.bleu.corpus_score([found[number] for number in numbers], None).score)
