"""Let our batched search run a decoder of the transformers library, one token at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput


@dataclass
class HfCache:
    """What the decoder remembers of a batch; a row is a hypothesis, those of a sentence are neighbours."""

    encoded: Tensor
    """(rows, source tokens, size)."""
    mask: Tensor
    """1 for source tokens, 0 for padding, (rows, source tokens)."""
    width: int
    past: Any = None
    """The library's EncoderDecoderCache; none before the first step."""
    expanded: bool = False
    """Whether a sentence has ``width`` rows; before, it has one."""

    def choose(self, parents: Tensor) -> None:
        """Let hypothesis ``i`` of each sentence go on from ``parents[:, i]`` (sentences, width)."""
        first = torch.arange(len(parents), device=parents.device) * (self.width if self.expanded else 1)
        self.past.self_attention_cache.batch_select_indices((first.unsqueeze(1) + parents).flatten())
        if not self.expanded:
            self._select_sources(torch.arange(len(parents), device=parents.device), times=self.width)
            self.expanded = True

    def keep(self, sentences: Tensor) -> None:
        """Forget all sentences but these (indices)."""
        row = torch.arange(self.width, device=sentences.device)
        rows = (sentences.unsqueeze(1) * self.width + row).flatten()
        self.past.self_attention_cache.batch_select_indices(rows)
        self._select_sources(rows)

    def _select_sources(self, rows: Tensor, *, times: int = 1) -> None:
        """Take these rows of what is the same for all hypotheses of a sentence, each ``times`` times."""
        rows = rows.repeat_interleave(times)
        self.encoded, self.mask = self.encoded.index_select(0, rows), self.mask.index_select(0, rows)
        self.past.cross_attention_cache.batch_select_indices(rows)


class HfDecoder:
    """The decoder of a sequence-to-sequence model, as `synthst.espnet.beam.search_encoded` wants it."""

    def __init__(self, model: Any, prompt: Sequence[int], banned: Sequence[int]) -> None:
        """Begin every target with ``prompt``, which is no part of it; never write a ``banned`` token."""
        self._model, self._prompt = model, list(prompt)
        self._banned = torch.tensor(list(banned), dtype=torch.int64, device=model.device)
        self.vocabulary = int(model.get_output_embeddings().weight.size(0))

    def reserve_positions(self, length: int) -> None:
        """Do nothing: the model has its positions, and `HfTeacher` asks for no more."""

    def start(self, encoded: Tensor, lengths: Tensor, width: int) -> HfCache:
        """Prepare the cache for ``encoded`` (sentences, source tokens, size), ``lengths`` (sentences,)."""
        places = torch.arange(encoded.size(1), device=encoded.device)
        return HfCache(encoded, (places < lengths.to(encoded.device).unsqueeze(1)).long(), width)

    def step(self, last: Tensor, cache: HfCache) -> Tensor:
        """Read ``last`` (sentences, rows), at first the prompt; return logits (..., vocabulary)."""
        rows = last.reshape(-1, 1)
        if cache.past is None:
            rows = torch.tensor([self._prompt] * len(rows), device=last.device)
        written = self._model(
            encoder_outputs=BaseModelOutput(last_hidden_state=cache.encoded),
            attention_mask=cache.mask,
            decoder_input_ids=rows,
            past_key_values=cache.past,
            use_cache=True,
        )
        cache.past = written.past_key_values
        logits: Tensor = written.logits[:, -1].float()
        logits.index_fill_(1, self._banned, float("-inf"))
        return logits.view(*last.shape, -1)
