"""Fast search must find what ESPnet's own beam search finds."""

import copy
import dataclasses
import random
from collections.abc import Sequence
from functools import cache

import pytest
import torch
from espnet2.asr.decoder.transformer_decoder import (
    LightweightConvolutionTransformerDecoder,
    TransformerDecoder,
)
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
from espnet2.legacy.nets.beam_search import BeamSearch
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import ScaledPositionalEncoding
from espnet2.legacy.nets.pytorch_backend.transformer.mask import subsequent_mask
from espnet2.mt.espnet_model import ESPnetMTModel
from espnet2.mt.frontend.embedding import Embedding

from synthst.errors import ConfigError, DataError
from synthst.espnet.beam import search_encoded
from synthst.espnet.options import Hypothesis, SearchOptions
from synthst.espnet.search import encode_sources, plan_batches, search, search_batches
from synthst.espnet.stepdecoder import StepDecoder

Sources = Sequence[Sequence[int]]
KINDS = {
    "pre_norm": {"normalize_before": True},
    "post_norm": {"normalize_before": False},
    "scaled_positions": {"pos_enc_class": ScaledPositionalEncoding},
    "query_key_norm": {"qk_norm": True},
}


@cache
def tiny_model(
    seed: int = 0, kind: str = "pre_norm", vocabulary: int = 14, **decoder_options: object
) -> ESPnetMTModel:
    """Make a random model whose outputs vary in length and whose choices are not flat."""
    torch.manual_seed(seed)
    tokens = ["<blank>", "<unk>", *(f"t{i}" for i in range(vocabulary - 3)), "<sos/eos>"]
    encoder = TransformerEncoder(16, 16, 2, 32, 2, input_layer=None, normalize_before=kind != "post_norm")
    options = {**KINDS[kind], **decoder_options}
    decoder = TransformerDecoder(vocabulary, 16, attention_heads=2, linear_units=32, num_blocks=2, **options)
    model = ESPnetMTModel(
        vocabulary, tokens, Embedding(vocabulary, 16), None, encoder, None, decoder,
        src_vocab_size=vocabulary, src_token_list=tokens, report_bleu=False,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.25 * torch.randn_like(parameter))
        decoder.embed[0].weight.mul_(0.3)
        decoder.output_layer.weight[-1].mul_(2.0)
    return model.eval()


def make_sources(count: int, seed: int = 0, longest: int = 9, vocabulary: int = 14) -> list[list[int]]:
    """Draw sources of 1 to ``longest`` tokens."""
    draw = random.Random(seed)
    return [
        [draw.randrange(1, vocabulary - 1) for _ in range(draw.randint(1, longest))] for _ in range(count)
    ]


@torch.no_grad()
def search_with_espnet(
    model: ESPnetMTModel, source: Sequence[int], *, beam: int, maxlenratio: float, mean: bool
) -> list[Hypothesis]:
    """Search one sentence with ESPnet, as its mt_inference does."""
    encoded, _ = model.encode(torch.tensor([source]), torch.tensor([len(source)]))
    found = BeamSearch(
        {"decoder": model.decoder}, {"decoder": 1.0}, beam, model.vocab_size, model.sos, model.eos,
        normalize_length=mean,
    )(encoded[0], maxlenratio=maxlenratio)  # fmt: skip
    limit = max(1, int(maxlenratio * encoded.size(1))) if maxlenratio > 0 else int(-maxlenratio)
    hypotheses = []
    for hyp in found:
        tokens = hyp.yseq[1:].tolist()
        end = tokens.index(model.eos)
        rank = float(hyp.score) / (len(hyp.yseq) - 1 if mean else 1)
        hypotheses.append(Hypothesis(tuple(tokens[:end]), float(hyp.score), end < limit, rank))
    return hypotheses


def assert_same(ours: Sequence[Sequence[Hypothesis]], wanted: Sequence[Sequence[Hypothesis]]) -> None:
    assert len(ours) == len(wanted)
    for mine, theirs in zip(ours, wanted, strict=True):
        assert [(hyp.tokens, hyp.finished) for hyp in mine] == [(hyp.tokens, hyp.finished) for hyp in theirs]
        assert [hyp.score for hyp in mine] == pytest.approx([hyp.score for hyp in theirs], abs=1e-4)
        assert [hyp.ranked_by for hyp in mine] == pytest.approx([hyp.ranked_by for hyp in theirs], abs=1e-4)


@pytest.mark.parametrize("seed", range(2))
def test_the_best_hypothesis_does_not_depend_on_how_many_are_kept(seed: int) -> None:
    model, sources = tiny_model(seed), make_sources(8, seed)
    options = SearchOptions(beam=4, max_ratio=1, max_extra=1)  # so short that most are cut off
    alone, four = (search(model, sources, dataclasses.replace(options, nbest=n)) for n in (1, 4))
    assert [hypotheses[0].tokens for hypotheses in four] == [hypotheses[0].tokens for hypotheses in alone]
    for hypotheses in four:
        ranks = [hyp.ranked_by for hyp in hypotheses]
        assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("seed", "mean"), [(0, False), (1, True), (2, True)])
def test_search_finds_the_nbest_of_espnets_beam_search(seed: int, kind: str, mean: bool) -> None:
    model, sources = tiny_model(seed, kind), make_sources(6, seed)
    beam, ratio = (2 + seed % 4, 1.5) if seed % 2 else (4, 2.3)
    options = SearchOptions(
        beam=beam, nbest=2, length_normalisation="mean" if mean else "none", max_ratio=ratio, max_extra=0
    )
    wanted = [search_with_espnet(model, s, beam=beam, maxlenratio=ratio, mean=mean)[:2] for s in sources]
    assert_same(search(model, sources, options), wanted)


@pytest.mark.parametrize("mean", [False, True])
def test_a_constant_maximum_length_is_espnets_negative_maxlenratio(mean: bool) -> None:
    model, sources = tiny_model(7), make_sources(5, 7)
    options = SearchOptions(
        beam=3, nbest=3, length_normalisation="mean" if mean else "none", max_ratio=0, max_extra=25
    )
    wanted = [search_with_espnet(model, s, beam=3, maxlenratio=-25, mean=mean)[:3] for s in sources]
    assert_same(search(model, sources, options), wanted)


@torch.no_grad()
def decode_greedily(model: ESPnetMTModel, source: Sequence[int], limit: int) -> Hypothesis:
    """Take the likeliest token again and again, with ESPnet's decoder."""
    encoded, _ = model.encode(torch.tensor([source]), torch.tensor([len(source)]))
    tokens, score = [model.sos], 0.0
    for _ in range(limit):
        mask = subsequent_mask(len(tokens)).unsqueeze(0)
        log_probs, _ = model.decoder.forward_one_step(torch.tensor([tokens]), mask, encoded)
        score += float(log_probs.max())
        tokens.append(int(log_probs.argmax()))
        if tokens[-1] == model.eos:
            counted = len(tokens) - 1 + (len(tokens) - 1 == limit)  # ESPnet adds an eos at the limit
            return Hypothesis(tuple(tokens[1:-1]), score, True, score / counted)
    return Hypothesis(tuple(tokens[1:]), score, False, score / len(tokens))


@pytest.mark.parametrize("seed", range(2))
def test_beam_1_and_sampling_from_1_token_are_greedy_search(seed: int) -> None:
    model, sources = tiny_model(seed), make_sources(8, seed)
    wanted = [[decode_greedily(model, source, len(source) + 1 + 5)] for source in sources]
    beam = SearchOptions(beam=1, max_ratio=1, max_extra=5)
    assert_same(search(model, sources, beam), wanted)
    assert_same(search(model, sources, dataclasses.replace(beam, top_k=1)), wanted)


@pytest.mark.parametrize("top_k", [0, 5])
def test_batches_of_1_and_of_32_find_the_same(top_k: int) -> None:
    model, sources = tiny_model(1), make_sources(32, 1, longest=20)
    options = SearchOptions(nbest=2, top_k=top_k, batch_tokens=1)
    together = dataclasses.replace(options, batch_tokens=100_000)
    assert_same(search(model, sources, together), search(model, sources, options))


def test_padding_of_the_encoded_source_changes_nothing() -> None:
    model, sources = tiny_model(2), make_sources(5, 2)
    decoder, options = StepDecoder(model.decoder), SearchOptions(nbest=4)
    encoded, lengths = encode_sources(model, sources)
    padded = torch.cat([encoded, torch.full((5, 7, 16), 1e3)], dim=1)
    wanted = search_encoded(decoder, encoded, lengths, options, sos=model.sos, eos=model.eos)
    assert_same(search_encoded(decoder, padded, lengths, options, sos=model.sos, eos=model.eos), wanted)


def test_padding_of_the_source_tokens_changes_nothing() -> None:
    model, sources = tiny_model(3), make_sources(6, 3)
    encoded, lengths = encode_sources(model, sources)
    assert lengths.tolist() == [len(source) + 1 for source in sources]
    for row, length, source in zip(encoded, lengths, sources, strict=True):
        alone, _ = encode_sources(model, [source])
        torch.testing.assert_close(row[:length], alone[0], atol=1e-5, rtol=1e-4)


def test_hypotheses_cut_off_at_the_limit_are_marked() -> None:
    model = tiny_model(0)
    found = search(model, make_sources(8, 5), SearchOptions(beam=3, nbest=3, max_ratio=0, max_extra=2))
    for hyp in (hyp for hypotheses in found for hyp in hypotheses):
        assert hyp.finished or len(hyp.tokens) == 2
    assert {hyp.finished for hypotheses in found for hyp in hypotheses} == {True, False}


def test_nbest_are_sorted_by_the_chosen_normalisation_and_differ() -> None:
    model, sources = tiny_model(1), make_sources(8, 6)
    for hypotheses in search(model, sources, SearchOptions(beam=5, nbest=5, length_normalisation="none")):
        assert len({hyp.tokens for hyp in hypotheses}) == 5
        assert [hyp.score for hyp in hypotheses] == sorted((hyp.score for hyp in hypotheses), reverse=True)
    for hypotheses in search(model, sources, SearchOptions(beam=5, nbest=5, max_extra=30)):
        means = [hyp.score / (len(hyp.tokens) + 1) for hyp in hypotheses]
        assert means == sorted(means, reverse=True)


def test_sampling_depends_on_the_seed_and_the_sentence_only() -> None:
    model, sources = tiny_model(0), make_sources(12, 8)
    options = SearchOptions(top_k=8, nbest=3, seed=1)
    first = search(model, sources, options)
    assert search(model, sources, options) == first
    assert_same(search(model, sources[::-1], options), first[::-1])
    assert_same([search(model, [source], options)[0] for source in sources], first)
    assert search(model, sources, dataclasses.replace(options, seed=2)) != first
    assert len({hyp.tokens for hyp in first[0]}) > 1


def test_samples_follow_the_models_probabilities() -> None:
    """The first token of 4,000 samples is distributed as the truncated softmax at the temperature."""
    model, source = tiny_model(4), [3, 5, 2]
    options = SearchOptions(top_k=4, nbest=4000, temperature=1.5, max_ratio=0, max_extra=1)
    found = search(model, [source], options)[0]
    encoded, _ = encode_sources(model, [source])
    with torch.no_grad():
        log_probs, _ = model.decoder.forward_one_step(
            torch.tensor([[model.sos]]), subsequent_mask(1)[None], encoded
        )
    values, tokens = log_probs[0].topk(4)
    drawn = [(*hyp.tokens, model.eos)[0] for hyp in found]
    for token, wanted in zip(tokens.tolist(), torch.softmax(values / 1.5, 0).tolist(), strict=True):
        assert drawn.count(token) / 4000 == pytest.approx(wanted, abs=0.03)


def test_a_large_vocabulary_is_searched_like_a_small_one() -> None:
    model, sources = tiny_model(5, vocabulary=1003), make_sources(4, 9, vocabulary=1003)
    options = SearchOptions(beam=4, nbest=4, max_ratio=2, max_extra=0, length_normalisation="none")
    wanted = [search_with_espnet(model, s, beam=4, maxlenratio=2, mean=False)[:4] for s in sources]
    assert_same(search(model, sources, options), wanted)


def test_bfloat16_scores_are_near_those_of_float32() -> None:
    model, sources = tiny_model(1), make_sources(6, 4)
    options = SearchOptions(beam=1, max_ratio=0, max_extra=1)
    exact, rough = (
        search(model, sources, options),
        search(model, sources, dataclasses.replace(options, dtype="bfloat16")),
    )
    for [mine], [theirs] in zip(rough, exact, strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=0.2)
    assert model.decoder.output_layer.weight.dtype == torch.float32


def test_batches_come_longest_first_and_cover_every_source() -> None:
    model, sources = tiny_model(0), make_sources(10, 2)
    options = SearchOptions(beam=2, batch_tokens=20)
    batches = plan_batches([len(source) for source in sources], 10)
    assert sum(batches, []) == [index for index, _ in search_batches(model, sources, options)]
    assert sorted(sum(batches, [])) == list(range(10))
    assert all(len(batch) == 1 or len(batch) * len(sources[batch[0]]) <= 10 for batch in batches)


def test_short_sources_are_no_more_at_once_than_their_logits_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sources, sizes = tiny_model(0), [[token] for token in range(1, 8)], []
    options = SearchOptions(beam=2)
    wanted = search(model, sources, options)

    def count(decoder: StepDecoder, encoded: torch.Tensor, *rest: object, **more: object) -> object:
        sizes.append(len(encoded))
        return search_encoded(decoder, encoded, *rest, **more)

    monkeypatch.setattr("synthst.espnet.search.search_encoded", count)
    assert_same(search(model, sources, options), wanted)
    assert sizes == [7]
    monkeypatch.setattr("synthst.espnet.search.LARGEST_LOGITS", {"cpu": 3 * 2 * 14})  # 3 sentences' beams
    assert_same(search(model, sources, options), wanted)
    assert sizes == [7, 3, 3, 1]


def test_no_sources_give_no_hypotheses() -> None:
    assert search(tiny_model(0), [], SearchOptions()) == []


def test_sources_that_the_model_cannot_read_are_refused() -> None:
    with pytest.raises(DataError, match="source 1 .* is empty"):
        search(tiny_model(0), [[3], []], SearchOptions())
    for token in (-1, 14):
        with pytest.raises(DataError, match=rf"token id {token}, the model knows 0 to 13"):
            search(tiny_model(0), [[3], [4, token]], SearchOptions())


def test_models_that_cannot_be_searched_are_refused() -> None:
    with pytest.raises(ConfigError, match="concat_after: false"):
        search(tiny_model(0, concat_after=True), [[3]], SearchOptions())
    with pytest.raises(ConfigError, match="LightweightConvolutionTransformerDecoder"):
        StepDecoder(LightweightConvolutionTransformerDecoder(14, 16, num_blocks=2, conv_kernel_length=(3, 3)))
    with pytest.raises(ConfigError, match="call model.eval"):
        model = tiny_model(0, use_sdpa=True).train()
        search(model, [[3]], SearchOptions())
    for options in (SearchOptions(beam=15), SearchOptions(beam=8, stopping="first_come")):
        with pytest.raises(ConfigError, match="at most the vocabulary of 14"):
            search(tiny_model(0), [[3]], options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"beam": 0}, {"nbest": 5}, {"length_normalisation": "sum"}, {"stopping": "late"},
        {"max_ratio": -1}, {"top_k": -1},
        {"temperature": 0}, {"dtype": "float16"}, {"batch_tokens": 0}, {"max_ratio": 0, "max_extra": 0},
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"search option {list(wrong)[-1]}: wanted"):
        SearchOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("top_k", [0, 5])
def test_no_hypothesis_is_shorter_than_the_minimum_length(top_k: int) -> None:
    model, sources = copy.deepcopy(tiny_model(3)), make_sources(20, 3)
    with torch.no_grad():
        model.decoder.output_layer.bias[-1] += 30  # it would rather end at once
    free = search(model, sources, SearchOptions(beam=1, top_k=top_k, seed=1))
    assert {len(found[0].tokens) for found in free} == {0}
    bound = search(model, sources, SearchOptions(beam=1, top_k=top_k, seed=1, min_length=2))
    assert {len(found[0].tokens) for found in bound} == {2}
