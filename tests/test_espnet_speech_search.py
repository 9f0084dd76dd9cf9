"""Speech search must find what ESPnet's own inference finds, whatever else is in the batch."""

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import pytest
import torch
import yaml

from synthst.errors import ConfigError, DataError
from synthst.espnet import speech_encoder
from synthst.espnet.encoder_pool import SpeechModel, with_modules_of_its_own
from synthst.espnet.lean import lean_imports
from synthst.espnet.options import Hypothesis, SearchOptions
from synthst.espnet.speech_encoder import Samples, SpeechEncoder
from synthst.espnet.speech_search import BATCHES_IN_WINDOW, search_speech

with lean_imports():  # ten seconds become two where transformers is installed
    from espnet2.bin.st_inference import Speech2Text
    from espnet2.legacy.nets.beam_search import BeamSearch
    from espnet2.tasks.asr import ASRTask
    from espnet2.tasks.st import STTask

RATE = 800
MAX_RATIO = 0.7
TOKENS = ["<blank>", "<unk>", *(f"t{i}" for i in range(11)), "<sos/eos>"]
LAYERS = {"attention_heads": 2, "linear_units": 32, "num_blocks": 2}
FRONTEND = {"fs": RATE, "n_fft": 32, "hop_length": 8, "n_mels": 10}
CONFORMER = {"output_size": 16, "macaron_style": True, "cnn_module_kernel": 7, **LAYERS}
OPTIONS = SearchOptions(length_normalisation="none", max_ratio=MAX_RATIO, max_extra=0)
KINDS = {
    "conformer": {"encoder_conf": CONFORMER | {"rel_pos_type": "latest"}},
    "legacy_positions": {"encoder_conf": CONFORMER},
    "unmasked_convolution": {
        "encoder_conf": CONFORMER | {"rel_pos_type": "latest", "positionwise_layer_type": "conv1d"}
    },
    "transformer_8": {
        "encoder": "transformer",
        "encoder_conf": {"output_size": 16, "input_layer": "conv2d8", **LAYERS},
        "frontend_conf": FRONTEND | {"n_mels": 16},
    },
}
LEAKING = ("legacy_positions", "unmasked_convolution")


def config(kind: str = "conformer", task: type = STTask, **changes: object) -> dict[str, object]:
    st = {"src_token_list": TOKENS, "src_token_type": None} if task is STTask else {}
    quiet = {"report_cer": False, "report_wer": False} | (
        {"report_bleu": False} if st else {"ctc_weight": 0.3}
    )
    model = {
        "token_list": TOKENS, "token_type": None, "frontend_conf": FRONTEND, "normalize": "utterance_mvn",
        "specaug": None, "encoder": "conformer", "decoder": "transformer", "decoder_conf": LAYERS,
        "model_conf": quiet, **st,
    }  # fmt: skip
    return task.get_default_config() | model | KINDS[kind] | changes


@cache
def tiny_model(kind: str = "conformer", task: type = STTask, seed: int = 2) -> SpeechModel:
    """Make a random model whose outputs vary in length and whose choices are not flat."""
    torch.manual_seed(seed)
    return randomise(task.build_model(argparse.Namespace(**config(kind, task))))


@torch.no_grad()
def randomise(model: SpeechModel) -> SpeechModel:
    for parameter in model.parameters():
        parameter.add_(0.25 * torch.randn_like(parameter))
    for name, statistic in model.encoder.named_buffers():
        if "running" in name:
            statistic.copy_(torch.rand_like(statistic) + 0.5)
    if getattr(model, "decoder", None) is not None:
        model.decoder.embed[0].weight.mul_(0.3)
    return model.eval()


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def make_audio(count: int, seed: int = 0, longest: float = 1.5) -> list[tuple[str, Samples]]:
    """Draw utterances of 0.2 seconds to ``longest``, of a noise whose colour changes."""
    draw = np.random.default_rng(seed)
    audio = []
    for number in range(count):
        samples = draw.standard_normal(int(draw.uniform(0.2, longest) * RATE)).astype(np.float32)
        smooth = np.convolve(samples, np.ones(draw.integers(1, 9)), "same").astype(np.float32)
        audio.append((f"utt_{number:03d}", 0.1 * smooth))
    return audio


def search(
    model: SpeechModel,
    audio: Sequence[tuple[str, Samples]],
    options: SearchOptions = OPTIONS,
    **settings: object,
) -> list[list[Hypothesis]]:
    """Return the hypotheses in the order of ``audio``."""
    found = list(search_speech(model, iter(audio), options, rate=RATE, **settings))
    by_name = {one.utterance: one.hypotheses for one in found}
    assert len(by_name) == len(found) == len(audio)
    return [by_name[name] for name, _ in audio]


def assert_same(ours: Sequence[Sequence[Hypothesis]], wanted: Sequence[Sequence[Hypothesis]]) -> None:
    for mine, theirs in zip(ours, wanted, strict=True):
        assert [(hyp.tokens, hyp.finished) for hyp in mine] == [(hyp.tokens, hyp.finished) for hyp in theirs]
        assert [hyp.score for hyp in mine] == pytest.approx([hyp.score for hyp in theirs], abs=1e-3)


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Speech2Text:
    folder = tmp_path_factory.mktemp("model")
    settings = config()
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    torch.save(tiny_model().state_dict(), folder / "model.pth")
    files = folder / "config.yaml", folder / "model.pth"
    return Speech2Text(
        *files,
        beam_size=4,
        maxlenratio=MAX_RATIO,
        ctc_weight=0.0,
        nbest=2,
        token_type="word",
        src_token_type="word",
    )


def test_search_finds_what_st_inference_finds(inference: Speech2Text) -> None:
    audio = make_audio(12)
    found = search(inference.st_model, audio, dataclasses.replace(OPTIONS, nbest=2))
    assert len({len(hyps[0].tokens) for hyps in found}) > 3
    assert {hyps[0].finished for hyps in found} == {True, False}
    for (_, samples), hypotheses in zip(audio, found, strict=True):
        for mine, (_, _, _, theirs) in zip(hypotheses, inference(samples), strict=True):
            assert list(mine.tokens) == theirs.yseq[1 : 1 + len(mine.tokens)].tolist()
            assert set(theirs.yseq[1 + len(mine.tokens) :].tolist()) == {inference.st_model.eos}
            assert mine.score == pytest.approx(float(theirs.score), abs=1e-3)


@torch.no_grad()
def search_with_espnet(model: SpeechModel, samples: Samples, *, mean: bool) -> list[Hypothesis]:
    """Search one utterance with ESPnet."""
    encoded, _ = model.encode(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    find = BeamSearch(
        {"decoder": model.decoder}, {"decoder": 1.0}, 3, model.vocab_size, model.sos, model.eos,
        normalize_length=mean,
    )  # fmt: skip
    limit = max(1, int(MAX_RATIO * encoded.size(1)))
    hypotheses = []
    for hyp in find(encoded[0], maxlenratio=MAX_RATIO):
        tokens = hyp.yseq[1:].tolist()
        end = tokens.index(model.eos)
        hypotheses.append(Hypothesis(tuple(tokens[:end]), float(hyp.score), end < limit, 0.0))
    return hypotheses


@pytest.mark.parametrize("task", [STTask, ASRTask])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("seed", "mean"), [(1, False), (2, True)])
def test_search_finds_the_nbest_of_espnets_beam_search(seed: int, kind: str, task: type, mean: bool) -> None:
    model, audio = tiny_model(kind, task, seed), make_audio(4, seed)
    options = dataclasses.replace(OPTIONS, beam=3, nbest=3, length_normalisation="mean" if mean else "none")
    wanted = [search_with_espnet(model, samples, mean=mean)[:3] for _, samples in audio]
    assert_same(search(model, audio, options), wanted)
    assert_same(search(model, audio, options, encode_together=True), wanted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("encode_together", "top_k"), [(True, 0), (False, 5)])
def test_batches_of_1_and_of_32_find_the_same(kind: str, encode_together: bool, top_k: int) -> None:
    model, audio = tiny_model(kind), make_audio(32, 2, longest=0.8)
    options = dataclasses.replace(OPTIONS, nbest=2, top_k=top_k)
    alone = search(model, audio, options, batch_seconds=0.01)
    assert_same(search(model, audio, options, batch_seconds=1000, encode_together=encode_together), alone)


def test_the_trial_whether_padding_matters_leaves_cudnn_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, original = [], speech_encoder._encode

    def encode(*given: object) -> object:
        seen.append(torch.backends.cudnn.enabled)
        return original(*given)

    monkeypatch.setattr("synthst.espnet.speech_encoder._encode", encode)
    SpeechEncoder(tiny_model(), together=True)
    assert seen and all(seen)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_used_only_where_it_changes_nothing(kind: str) -> None:
    encoder = SpeechEncoder(tiny_model(kind), together=True)
    assert encoder.together != (kind in LEAKING)
    features = [encoder.features(*one) for one in make_audio(5, 3)]
    encoded, lengths = encoder.encode(features)
    for row, length, one in zip(encoded, lengths, features, strict=True):
        alone, own = encoder.encode([one])
        assert own.tolist() == [length]
        torch.testing.assert_close(row[:length], alone[0], atol=1e-4, rtol=1e-4)


def test_encoding_equals_that_of_the_model(inference: Speech2Text) -> None:
    model, (name, samples) = inference.st_model, make_audio(1, 4)[0]
    encoder = SpeechEncoder(model)
    encoded, lengths = encoder.encode([encoder.features(name, samples)])
    with torch.no_grad():
        wanted, own = model.encode(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    assert lengths.tolist() == own.tolist()
    torch.testing.assert_close(encoded, wanted)
    assert model.frontend is not None and model.normalize is not None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [2, 4])
def test_threads_find_what_one_finds_however_long_the_next_utterance_is(
    kind: str, threads: int, torch_threads: Callable[[int], None]
) -> None:
    model, audio = tiny_model(kind), sorted(make_audio(12, 6), key=lambda one: len(one[1]))
    alone = search(model, audio, OPTIONS)
    torch_threads(threads)
    searched = search_speech(model, audio, OPTIONS, rate=RATE, batch_seconds=0.5)
    found = {one.utterance: one.hypotheses for one in searched}
    assert_same([found[name] for name, _ in audio], alone)
    assert torch.get_num_threads() == threads


def test_an_error_in_a_thread_is_raised_and_leaves_the_threads_as_they_were(
    torch_threads: Callable[[int], None],
) -> None:
    encoder = SpeechEncoder(tiny_model())
    torch_threads(2)
    good = encoder.features(*make_audio(1)[0])
    with pytest.raises(RuntimeError):
        list(encoder.encode_batches([[good], [good[:, :3]], [good]]))
    assert torch.get_num_threads() == 2
    assert len(list(encoder.encode_batches([[good], [good]]))) == 2


def test_threads_have_modules_of_their_own_over_the_same_weights() -> None:
    view = SpeechEncoder(tiny_model())._after_features
    other = with_modules_of_its_own(view)
    for ours, theirs in zip(view.encoder.modules(), other.encoder.modules(), strict=True):
        assert ours is not theirs
    mine, others = list(view.encoder.buffers()), list(other.encoder.buffers())
    assert mine and all(one is two for one, two in zip(mine, others, strict=True))


def too_short_by(kind: str, samples: int) -> bool:
    audio = [("utt", make_audio(1, longest=3)[0][1][:samples]), *make_audio(1)]
    found = {one.utterance: one for one in search_speech(tiny_model(kind), audio, OPTIONS, rate=RATE)}
    assert not found["utt_000"].too_short and found["utt_000"].hypotheses[0].score < 0
    if found["utt"].too_short:
        assert found["utt"].hypotheses == [Hypothesis((), 0.0, True, 0.0)]
    return found["utt"].too_short


# A hop of 8 samples gives n // 8 + 1 frames; fourfold subsampling needs 7 of them, eightfold 15.
@pytest.mark.parametrize(("kind", "fewest"), [("conformer", 48), ("transformer_8", 112)])
def test_an_utterance_too_short_for_the_subsampling_is_flagged(kind: str, fewest: int) -> None:
    assert not too_short_by(kind, fewest)
    for samples in (fewest - 1, 17, 16, 1, 0):
        assert too_short_by(kind, samples)


def test_only_too_short_utterances_are_no_crash() -> None:
    for audio in ([], [("a", np.zeros(0, np.float32)), ("b", np.zeros(40, np.float32))]):
        found = list(search_speech(tiny_model(), audio, OPTIONS, rate=RATE))
        assert [(one.utterance, one.too_short) for one in found] == [(name, True) for name, _ in audio]


def test_a_silent_utterance_is_searched() -> None:
    [[hypothesis]] = search(tiny_model(), [("a", np.zeros(400, np.float32))])
    assert np.isfinite(hypothesis.score) and hypothesis.score < 0


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((400, 2), np.float32), r"utt: wanted one channel .*\(400, 2\)"),
        (np.zeros(400, np.int16), "utt: wanted float samples .* int16"),
        (np.array([0.0] * 99 + [np.nan] + [0.0] * 300, np.float32), "utt: sample 99 is nan"),
        (np.array([np.inf] * 400, np.float32), "utt: sample 0 is inf"),
    ],
)
def test_samples_that_are_no_audio_are_refused(samples: Samples, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(search_speech(tiny_model(), [("utt", samples)], OPTIONS, rate=RATE))


def test_models_that_cannot_be_searched_are_refused() -> None:
    audio = make_audio(1)
    with pytest.raises(ConfigError, match="reads audio of 800 Hz, this is of 16000 Hz"):
        search_speech(tiny_model(), audio, OPTIONS)
    for changes, message in (
        ({"frontend": None, "input_size": 10}, "no frontend"),
        ({"model_conf": {"ctc_weight": 1.0, "report_cer": False, "report_wer": False}}, "attention decoder"),
        ({"decoder": "rnn", "decoder_conf": {}}, "RNNDecoder"),
    ):
        model = ASRTask.build_model(argparse.Namespace(**config(task=ASRTask, **changes)))
        with pytest.raises(ConfigError, match="call model.eval"):
            search_speech(model, audio, OPTIONS, rate=RATE)
        with pytest.raises(ConfigError, match=message):
            search_speech(model.eval(), audio, OPTIONS, rate=RATE)


def test_memory_is_bounded_by_the_window() -> None:
    """Never are more seconds read ahead than the window and one utterance hold."""
    audio, read = make_audio(60, 5), 0.0

    def stream() -> Iterator[tuple[str, Samples]]:
        nonlocal read
        for name, samples in audio:
            read += len(samples) / RATE
            yield name, samples

    done, seconds = 0.0, {name: len(samples) / RATE for name, samples in audio}
    names = []
    for one in search_speech(tiny_model(), stream(), OPTIONS, rate=RATE, batch_seconds=0.5):
        assert read - done <= BATCHES_IN_WINDOW * 0.5 + 1.5
        done += seconds[one.utterance]
        names.append(one.utterance)
    assert sorted(names) == sorted(seconds) != names


def test_the_maximum_length_is_a_ratio_of_the_encoders_frames_and_a_constant() -> None:
    # 400 samples are 51 frames, and ((51 - 3) // 2 + 1 - 3) // 2 + 1 = 12 after subsampling: 6 + 2 tokens.
    samples = make_audio(1, 6, longest=3)[0][1][:400]
    options = dataclasses.replace(OPTIONS, max_ratio=0.5, max_extra=2, min_length=100)
    [found] = search_speech(tiny_model(), [("a", samples)], options, rate=RATE)
    assert len(found.hypotheses[0].tokens) == 8 and not found.hypotheses[0].finished


def test_bfloat16_is_near_float32_and_leaves_the_model_as_it_was() -> None:
    model, audio = tiny_model(), make_audio(6, 7)
    options = dataclasses.replace(OPTIONS, beam=1, max_ratio=0, max_extra=1)
    exact = search(model, audio, options)
    rough = search(model, audio, dataclasses.replace(options, dtype="bfloat16"))
    for [mine], [theirs] in zip(rough, exact, strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=0.3)
    assert search(model, audio, options) == exact
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_sampling_depends_on_the_seed_and_the_utterance_only() -> None:
    model, audio = tiny_model(), make_audio(10, 8)
    options = dataclasses.replace(OPTIONS, top_k=8, nbest=3, seed=1)
    first = search(model, audio, options)
    renamed = [(f"other_{name}", samples) for name, samples in audio[::-1]]
    assert_same(search(model, renamed, options, batch_seconds=0.1)[::-1], first)
    assert search(model, audio, dataclasses.replace(options, seed=2)) != first
