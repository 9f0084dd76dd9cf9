"""Measure BLEU on the development set during a training, by greedy search."""

from pathlib import Path
from typing import Any

from sacrebleu.metrics.bleu import BLEU

from synthst.errors import ConfigError, DataError
from synthst.espnet.options import BATCH_TOKENS
from synthst.espnet.search import SearchOptions, search
from synthst.tokens import TokenArray, Tokenizer, read_tokens

UNKNOWN = 1  # ESPnet's id


class DevBleu:
    """A development set that a model in training translates; its references are those of the tokens.

    They are the raw text again, for our tokenisers lose nothing; raises DataError for tokens that do.
    """

    def __init__(self, tokens: Path, *, src: str, tgt: str, tokenizer: Path) -> None:
        """Read the sentences; ``tokenizer`` is the target side's."""
        sources, references = read_tokens(tokens, src), read_tokens(tokens, tgt)
        refuse_unknown(tokens, tgt, references)
        self.decode = Tokenizer(tokenizer).decode
        self.sources = [sources[row].tolist() for row in range(len(sources))]
        self.bleu = make_bleu(tgt, [self.decode(references[row].tolist()) for row in range(len(references))])

    def measure(self, model: Any) -> float:
        """Return the BLEU (0..100) of greedy search; leaves the model in eval mode."""
        model.eval()
        device = next(model.parameters()).device.type
        found = search(model, self.sources, SearchOptions(beam=1, batch_tokens=BATCH_TOKENS[device]))
        score = self.bleu.corpus_score([self.decode(best[0].tokens) for best in found], None).score
        return float(score)


def refuse_unknown(tokens: Path, tgt: str, references: TokenArray) -> None:
    """Raise DataError for references that are no longer what was written."""
    unknown = int((references.ids == UNKNOWN).sum())
    if unknown:
        raise DataError(
            f"{tokens}: {unknown:,} tokens of {tgt!r} are unknown to the tokeniser, so the references "
            "are lost; leave --dev_bleu out, or train tokenisers with synthst train_tokenizers"
        )


def make_bleu(tgt: str, references: list[str]) -> BLEU:
    """Return sacreBLEU with its default tokenizer for the language; raises ConfigError when that lacks."""
    try:
        return BLEU(trg_lang=tgt.replace("_", "-").split("-")[0].lower(), references=[references])
    except (RuntimeError, ImportError) as error:
        raise ConfigError(
            f"sacreBLEU cannot load its tokenizer for {tgt!r}: {' '.join(str(error).split())}"
        ) from error
