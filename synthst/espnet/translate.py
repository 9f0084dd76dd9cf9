"""Translate sentences with a trained model: tokenise, search in batches, detokenise."""

from collections.abc import Sequence
from dataclasses import dataclass

from synthst.espnet.load import TrainedModel
from synthst.espnet.search import SearchOptions, search


@dataclass(frozen=True)
class Translation:
    """One hypothesis of one sentence."""

    text: str
    score: float
    """Mean or sum of the tokens' log probabilities in nats, as the search ranks."""
    tokens: int
    finished: bool
    """False when the length limit cut it off."""


def translate_sentences(
    trained: TrainedModel, sources: Sequence[str], options: SearchOptions
) -> list[list[Translation]]:
    """Return the n-best translations of every source, best first, in the order of ``sources``."""
    decode = trained.tgt_tokenizer.decode
    encoded = [trained.src_tokenizer.encode(source) for source in sources]
    return [
        [Translation(decode(hyp.tokens), hyp.ranked_by, len(hyp.tokens), hyp.finished) for hyp in hypotheses]
        for hypotheses in search(trained.model, encoded, options)
    ]
