"""Search a batch of encoded sentences, with beams or by sampling.

The order of events is that of ESPnet's BeamSearch with ``maxlenratio`` other than 0: at every step
the best ``beam`` extensions of a sentence's running hypotheses are taken, those that end leave, and
at the maximum length all end. By option the next best take the places of those that end, see
`SearchOptions`. Sentences whose result can no longer change leave the batch. Every
decision is made on tensors for the whole batch; tokens become lists when a sentence is done.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

import synthst.espnet.attention_kernels  # noqa: F401
from synthst.errors import ConfigError
from synthst.espnet.noise import gumbel_noise
from synthst.espnet.options import Hypothesis, SearchOptions
from synthst.espnet.stepdecoder import StepDecoder

FEWEST_DONE_TO_SHRINK = 1 / 8
MINUS_INFINITY = float("-inf")


@dataclass
class _Batch:
    """The sentences still searched; every tensor's first dimension is theirs."""

    index: Tensor
    """Position in the batch as given, (sentences,)."""
    max_length: Tensor
    """(sentences, 1)."""
    keys: Tensor
    """Sampling keys, (sentences,)."""
    scores: Tensor
    """Of running hypotheses, -inf for none, (sentences, width)."""
    tokens: Tensor
    """Of running hypotheses, (sentences, width, longest)."""
    ended: Tensor
    """How many hypotheses have ended, (sentences, 1)."""
    best_rank: Tensor
    """Of finished hypotheses what they are ordered by, descending, -inf for none, (sentences, nbest)."""
    best_normalised: Tensor
    best_score: Tensor
    best_length: Tensor
    best_finished: Tensor
    best_tokens: Tensor

    def take(self, sentences: Tensor) -> "_Batch":
        return _Batch(*(getattr(self, field.name).index_select(0, sentences) for field in fields(self)))

    def hypotheses(self) -> list[list[Hypothesis]]:
        """Turn what finished into lists."""
        found: list[list[Hypothesis]] = []
        columns = zip(
            self.best_rank.tolist(),
            self.best_normalised.tolist(),
            self.best_score.tolist(),
            self.best_length.tolist(),
            self.best_finished.tolist(),
            self.best_tokens.tolist(),
            strict=True,
        )
        for row in columns:
            found.append(
                [
                    Hypothesis(tuple(tokens[:length]), score, finished, normalised)
                    for rank, normalised, score, length, finished, tokens in zip(*row, strict=True)
                    if rank != MINUS_INFINITY
                ]
            )
        return found


@torch.inference_mode()
def search_encoded(
    decoder: StepDecoder,
    encoded: Tensor,
    lengths: Tensor,
    options: SearchOptions,
    *,
    sos: int,
    eos: int,
    keys: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Return the n-best hypotheses of each sentence, best first.

    ``encoded`` is the encoder's output (sentences, longest, size), ``lengths`` its valid lengths
    (sentences,). Sampling needs ``keys`` (sentences,), int64: one number per sentence that with the
    seed decides its random choices, so they do not depend on what else is in the batch.
    """
    _check(decoder, options, keys)
    batch = _begin(encoded, lengths, options, keys)
    decoder.reserve_positions(int(batch.max_length.max()))
    cache = decoder.start(encoded, lengths, options.width)
    results: list[list[Hypothesis]] = [[] for _ in range(len(encoded))]
    last = torch.full((len(encoded), 1), sos, device=encoded.device)
    for step in range(int(batch.max_length.max())):
        log_probs = torch.log_softmax(decoder.step(last, cache), dim=-1)
        if step < options.min_length:
            log_probs[..., eos] = MINUS_INFINITY
        last, parents = _advance(batch, log_probs, step, eos, options)
        cache.choose(parents)
        done = batch.scores.amax(1) == MINUS_INFINITY
        count = int(done.sum())
        if count >= max(1, FEWEST_DONE_TO_SHRINK * len(done)):
            leaving = batch.take(done.nonzero().squeeze(1))
            for index, hypotheses in zip(leaving.index.tolist(), leaving.hypotheses(), strict=True):
                results[index] = hypotheses
            if count == len(done):
                break
            staying = (~done).nonzero().squeeze(1)
            batch, last = batch.take(staying), last.index_select(0, staying)
            cache.keep(staying)
    return results


def _check(decoder: StepDecoder, options: SearchOptions, keys: Tensor | None) -> None:
    if options.sampling and keys is None:
        raise ConfigError("sampling needs a key for every sentence; pass keys=")
    candidates = "beam, doubled" if options.first_come else "beam"
    for name, wanted in ((candidates, _candidates(options)), ("top_k", options.top_k)):
        if wanted > decoder.vocabulary:
            raise ConfigError(
                f"search option {name}: at most the vocabulary of {decoder.vocabulary}, found {wanted}"
            )


def _begin(encoded: Tensor, lengths: Tensor, options: SearchOptions, keys: Tensor | None) -> _Batch:
    sentences, device, width = len(encoded), encoded.device, options.width
    limits = [max(1, int(options.max_ratio * n) + options.max_extra) for n in lengths.tolist()]
    scores = torch.zeros(sentences, width, device=device)
    if not options.sampling:
        scores[:, 1:] = MINUS_INFINITY
    best = torch.full((sentences, options.nbest), MINUS_INFINITY, device=device)
    lengths_found = torch.zeros(best.shape, dtype=torch.int64, device=device)
    return _Batch(
        index=torch.arange(sentences, device=device),
        max_length=torch.tensor(limits, device=device).unsqueeze(1),
        keys=torch.zeros(sentences, dtype=torch.int64, device=device) if keys is None else keys.to(device),
        scores=scores,
        tokens=lengths_found.new_zeros(sentences, width, max(limits)),
        ended=lengths_found.new_zeros(sentences, 1),
        best_rank=best,
        best_normalised=best.clone(),
        best_score=best.clone(),
        best_length=lengths_found,
        best_finished=lengths_found.bool(),
        best_tokens=lengths_found.new_zeros(sentences, options.nbest, max(limits)),
    )


def _advance(
    batch: _Batch, log_probs: Tensor, step: int, eos: int, options: SearchOptions
) -> tuple[Tensor, Tensor]:
    """Take one step from ``log_probs`` (sentences, rows, vocabulary), rows 1 in the first step.

    Returns the new last tokens and the parents, both (sentences, width). All who stop, and all
    who cannot become one of the n-best any more, have score -inf after it.
    """
    choose = _draw if options.sampling else _best_extensions
    scores, tokens, parents = choose(batch, log_probs, step, options)
    index = parents.unsqueeze(2).expand(-1, -1, batch.tokens.size(2))
    batch.tokens = batch.tokens.gather(1, index)
    batch.tokens[:, :, step] = tokens
    at_limit = batch.max_length == step + 1
    ended = tokens == eos
    stops = (ended | at_limit) & (scores != MINUS_INFINITY)
    stops[:, options.width :] = False
    if bool(stops.any()):
        _finish(batch, scores, stops, ended, at_limit, step, options)
    scores = scores.masked_fill(stops, MINUS_INFINITY)
    if options.first_come:
        scores, tokens, parents = _replace_ended(batch, scores, tokens, parents, ended, options)
    elif not options.sampling:
        scores.masked_fill_(_rank_bound(scores, batch, options) <= batch.best_rank[:, -1:], MINUS_INFINITY)
    batch.scores = scores
    return tokens, _parents_of_running(scores, parents)


def _best_extensions(
    batch: _Batch, log_probs: Tensor, step: int, options: SearchOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores, tokens and parents of each sentence's best extensions, (sentences, candidates) each."""
    count = _candidates(options)
    values, tokens = _largest(log_probs, count)
    totals = (batch.scores[:, : log_probs.size(1)].unsqueeze(2) + values).flatten(1)
    scores, places = totals.topk(count, dim=1)
    return scores, tokens.flatten(1).gather(1, places), places // count


def _candidates(options: SearchOptions) -> int:
    """Return how many extensions are looked at: if all of the beam end, as many take their places."""
    return options.beam * (2 if options.first_come else 1)


def _replace_ended(
    batch: _Batch, scores: Tensor, tokens: Tensor, parents: Tensor, ended: Tensor, options: SearchOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Go on with the best candidates that did not end; return their scores, tokens and parents.

    None goes on when ``beam`` hypotheses have ended, or when none can become one of the n-best.
    """
    scores, places = scores.masked_fill(ended, MINUS_INFINITY).topk(options.beam, dim=1)
    batch.tokens = batch.tokens.gather(1, places.unsqueeze(2).expand(-1, -1, batch.tokens.size(2)))
    hopeless = _rank_bound(scores[:, :1], batch, options) <= batch.best_rank[:, -1:]
    scores.masked_fill_((batch.ended >= options.beam) | hopeless, MINUS_INFINITY)
    return scores, tokens.gather(1, places), parents.gather(1, places)


def _largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Do ``values.topk(count)``, many times faster on a CPU for few of many values.

    The largest values lie in the blocks with the largest maxima.
    """
    size = values.size(-1)
    block = 32
    whole = size // block * block
    if values.is_cuda or whole // block <= 2 * count:
        return values.topk(count, dim=-1)
    blocks = values[..., :whole].reshape(*values.shape[:-1], -1, block)
    chosen = blocks.amax(-1).topk(count, dim=-1).indices
    inside = (chosen.unsqueeze(-1) * block + torch.arange(block)).flatten(-2)
    rest = torch.arange(whole, size).expand(*inside.shape[:-1], -1)
    candidates = torch.cat([inside, rest], dim=-1)
    found, places = values.gather(-1, candidates).topk(count, dim=-1)
    return found, candidates.gather(-1, places)


def _draw(
    batch: _Batch, log_probs: Tensor, step: int, options: SearchOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw every sample's next token: the largest of the top k after adding Gumbel noise."""
    width = options.width
    values, tokens = (t.expand(-1, width, -1) for t in _largest(log_probs, options.top_k))
    noise = gumbel_noise(batch.keys, tokens, seed=options.seed, step=step)
    choice = (values / options.temperature + noise).argmax(2, keepdim=True)
    scores = batch.scores + values.gather(2, choice).squeeze(2)
    own = torch.arange(width, device=tokens.device).expand_as(scores)
    return scores, tokens.gather(2, choice).squeeze(2), own if step else torch.zeros_like(own)


def _finish(
    batch: _Batch,
    scores: Tensor,
    stops: Tensor,
    ended: Tensor,
    at_limit: Tensor,
    step: int,
    options: SearchOptions,
) -> None:
    """Put those who stop among the n-best of their sentence."""
    # At the limit ESPnet appends an eos to all, also after an eos, and counts it.
    length = step + 1 if options.first_come else step + 1 + at_limit.long()
    normalised = scores / length if options.length_normalisation == "mean" else scores
    batch.ended = batch.ended + stops.sum(1, keepdim=True)
    in_order = -torch.arange(scores.size(1), device=scores.device).expand_as(scores).float()
    rank = in_order if options.sampling else normalised
    ranks = torch.cat([batch.best_rank, rank.masked_fill(~stops, MINUS_INFINITY)], dim=1)
    batch.best_rank, places = ranks.sort(dim=1, descending=True, stable=True)
    batch.best_rank, places = batch.best_rank[:, : options.nbest], places[:, : options.nbest]
    lengths = step + 1 - ended.long()
    batch.best_normalised = torch.cat([batch.best_normalised, normalised], dim=1).gather(1, places)
    batch.best_score = torch.cat([batch.best_score, scores], dim=1).gather(1, places)
    batch.best_length = torch.cat([batch.best_length, lengths], dim=1).gather(1, places)
    batch.best_finished = torch.cat([batch.best_finished, ended], dim=1).gather(1, places)
    index = places.unsqueeze(2).expand(-1, -1, batch.tokens.size(2))
    batch.best_tokens = torch.cat([batch.best_tokens, batch.tokens], dim=1).gather(1, index)


def _rank_bound(scores: Tensor, batch: _Batch, options: SearchOptions) -> Tensor:
    """Bound what running hypotheses can be ranked by when they end.

    Log probabilities are never positive, so a score only falls, and its mean is at most the score
    over the largest count of tokens. A hypothesis bounded below the worst of the n-best can be
    dropped without changing them: what it displaces from the beam scores less than it.
    """
    return scores / (batch.max_length + 1) if options.length_normalisation == "mean" else scores


def _parents_of_running(scores: Tensor, parents: Tensor) -> Tensor:
    """Give rows without a hypothesis the parent of one that runs, so they keep no column alive."""
    running = scores != MINUS_INFINITY
    first = running.int().argmax(1, keepdim=True)
    return torch.where(running, parents, parents.gather(1, first))
