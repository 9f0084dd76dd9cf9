"""Settings of speech models: what is refused, and sizes that follow from them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
from espnet2.asr.frontend.default import DefaultFrontend
from espnet2.asr.specaug.specaug import SpecAug
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError
from toy_speech import MODEL

from synthst.errors import ConfigError
from synthst.espnet.speech_config import InitConfig, SpeechModelConfig, SpeechTrainingConfig
from synthst.espnet.speech_options import mask_options, network_options, training_options


def test_the_defaults_are_the_papers_model() -> None:
    options = network_options(SpeechModelConfig(), 16_000)
    encoder, frontend = options["encoder_conf"], options["frontend_conf"]
    assert (encoder["num_blocks"], options["decoder_conf"]["num_blocks"]) == (17, 6)
    assert (encoder["output_size"], encoder["attention_heads"]) == (512, 8)
    assert (encoder["cnn_module_kernel"], encoder["input_layer"], frontend["n_mels"]) == (31, "conv2d", 80)
    assert (frontend["n_fft"], frontend["win_length"], frontend["hop_length"]) == (512, 400, 160)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000])
@pytest.mark.parametrize("subsampling", [4, 8])
def test_frames_and_fewest_samples_are_espnets(rate: int, subsampling: int) -> None:
    model = SpeechModelConfig(
        encoder_layers=1, width=8, feedforward=8, heads=2, kernel=3, subsampling=subsampling
    )
    options = network_options(model, rate)
    frontend = DefaultFrontend(**options["frontend_conf"])
    encoder = ConformerEncoder(frontend.output_size(), **options["encoder_conf"]).eval()

    def frames(samples: int) -> int:
        return int(encoder(*frontend(torch.randn(1, samples), torch.tensor([samples])))[1])

    fewest = model.fewest_samples(rate)
    for samples in (fewest, fewest + 1, fewest + 1234, 7 * rate // 3):
        assert frames(samples) == model.encoder_frames(np.array([samples]), rate)[0] >= 1
    with pytest.raises((TooShortUttError, RuntimeError)):
        frames(fewest - 1)


@pytest.mark.parametrize(
    "change",
    [{}, {"time_warp": 0}, {"frequency_masks": 0}, {"time_masks": 0}, {"time_mask_share": 0.0}],
    ids=str,
)
def test_masks_are_as_wide_as_asked_for(change: dict[str, float]) -> None:
    model = SpeechModelConfig(**{"time_warp": 0, "mels": 40, "frequency_mask_bins": 6, **change})
    mask = SpecAug(**mask_options(model)["specaug_conf"])
    torch.manual_seed(0)
    for _ in range(20):
        masked, _ = mask(torch.rand(4, 200, 40) + 1, torch.tensor([200] * 4))
        if model.time_warp == 0:
            hidden = masked == 0
            assert hidden.all(dim=1).sum(dim=1).max() <= model.frequency_masks * 6
            assert hidden.all(dim=2).sum(dim=1).max() <= model.time_masks * 200 * model.time_mask_share


@pytest.mark.parametrize(
    "model",
    [
        SpeechModelConfig(spec_augment=False),
        SpeechModelConfig(time_warp=0, frequency_masks=0, time_masks=0),
    ],
)
def test_no_masks_are_no_spec_augment(model: SpeechModelConfig) -> None:
    assert mask_options(model) == {"specaug": None}


def test_accumulating_cuts_a_step_into_batches_of_samples() -> None:
    training = SpeechTrainingConfig(batch_seconds=10.0, accumulate=4, max_steps=20, warmup_steps=5)
    options = training_options(training, InitConfig(frozen_steps=3), 16_000, ngpu=0)
    assert options["batch_samples"] == 40_000 and "batch_tokens" not in options
    assert (options["accum_grad"], options["max_batches"], options["frozen_steps"]) == (4, 80, 3)
    assert not options["unused_parameters"]
    assert training_options(training, InitConfig(frozen_steps=3), 16_000, ngpu=1, processes=2)[
        "unused_parameters"
    ]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (lambda: SpeechModelConfig(width=20, heads=3), "model.width must be a multiple of heads = 3, not 20"),
        (lambda: SpeechModelConfig(kernel=4), "model.kernel must be odd, not 4"),
        (lambda: SpeechModelConfig(subsampling=6), "model.subsampling must be 4 or 8, not 6"),  # type: ignore[arg-type]
        (lambda: SpeechModelConfig(subsampling_channels=0), "model.subsampling_channels must be at least 1"),
        (lambda: SpeechModelConfig(mels=10, subsampling=8), "model.mels must be at least 15"),
        (lambda: SpeechModelConfig(ctc_weight=1.0), r"model.ctc_weight must be in \[0, 1\), not 1.0"),
        (lambda: SpeechModelConfig(mels=20), r"model.frequency_mask_bins must be in \[1, 20\), not 27"),
        (lambda: SpeechModelConfig(encoder_layers=0), "model.encoder_layers must be at least 1, not 0"),
        (lambda: SpeechTrainingConfig(batch_seconds=0), "training.batch_seconds must be above 0, not 0"),
        (
            lambda: SpeechTrainingConfig(max_steps=9, warmup_steps=9),
            "training.warmup_steps 9 must be above 0",
        ),
        (lambda: SpeechTrainingConfig(accumulate=0), "training.accumulate must be at least 1, not 0"),
        (lambda: InitConfig(frozen_steps=-1), "init.frozen_steps must be at least 0, not -1"),
        (lambda: InitConfig(encoder_learning_rate=0), "init.encoder_learning_rate must be above 0"),
        (lambda: InitConfig(encoder_key=""), "init.encoder_key is empty"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: Callable[[], object], wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        settings()


def test_the_subsampling_is_as_wide_as_the_encoder_unless_told() -> None:
    assert SpeechModelConfig(width=64, heads=4).channels == 64 and MODEL.channels == 8
