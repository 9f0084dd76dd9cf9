"""ESPnet's options for a recogniser or speech translator, from our settings."""

from typing import Any

from synthst.espnet.speech_config import InitConfig, SpeechModelConfig, SpeechTrainingConfig
from synthst.espnet.train import optimisation_config


def recogniser_options(model: SpeechModelConfig, rate: int) -> dict[str, Any]:
    """Return the options of a recogniser: CTC and attention, both on the transcript."""
    errors = {"report_cer": False, "report_wer": False}
    loss = {"ctc_weight": model.ctc_weight, "length_normalized_loss": True, **errors}
    return {**network_options(model, rate), "model_conf": loss}


def translator_options(model: SpeechModelConfig, rate: int) -> dict[str, Any]:
    """Return the options of a speech translator; CTC on the transcript, if any, is ESPnet's ASR subtask."""
    errors = {"report_cer": False, "report_wer": False, "report_bleu": False}
    auxiliary = {"asr_weight": model.ctc_weight, "mtlalpha": 1.0}
    loss = {**auxiliary, "length_normalized_loss": True, **errors}
    return {**network_options(model, rate), "model_conf": loss}


def network_options(model: SpeechModelConfig, rate: int) -> dict[str, Any]:
    """Return the options of features, encoder and decoder for audio at ``rate`` Hz."""
    layer = {
        "attention_heads": model.heads,
        "linear_units": model.feedforward,
        "dropout_rate": model.dropout,
        "positional_dropout_rate": model.dropout,
        "use_sdpa": True,
    }
    return {
        **feature_options(model, rate),
        "encoder": "conformer",
        "encoder_conf": {
            **layer,
            "output_size": model.width,
            "num_blocks": model.encoder_layers,
            "attention_dropout_rate": model.attention_dropout,
            "input_layer": "conv2d" if model.subsampling == 4 else "conv2d8",
            "macaron_style": True,
            "rel_pos_type": "latest",
            "pos_enc_layer_type": "rel_pos",
            "selfattention_layer_type": "rel_selfattn",
            "activation_type": "swish",
            "use_cnn_module": True,
            "cnn_module_kernel": model.kernel,
        },
        "subsampling_channels": model.subsampling_channels,
        "decoder": "transformer",
        "decoder_conf": {
            **layer,
            "num_blocks": model.decoder_layers,
            "self_attention_dropout_rate": model.attention_dropout,
            "src_attention_dropout_rate": model.attention_dropout,
        },
        "label_smoothing": model.label_smoothing,
        "use_preprocessor": False,
    }


def feature_options(model: SpeechModelConfig, rate: int) -> dict[str, Any]:
    """Return the options of log-mel features, their masks in training, and their normalisation."""
    return {
        "frontend": "default",
        "frontend_conf": {
            "fs": rate,
            "n_fft": model.fft_samples(rate),
            "win_length": model.samples(model.window_ms, rate),
            "hop_length": model.samples(model.hop_ms, rate),
            "n_mels": model.mels,
        },
        **mask_options(model),
        "normalize": "utterance_mvn",
        "normalize_conf": {"norm_means": True, "norm_vars": model.normalisation == "utterance"},
    }


def mask_options(model: SpeechModelConfig) -> dict[str, Any]:
    """Return the options of SpecAugment; ESPnet refuses one that does nothing."""
    times = model.time_masks > 0 and model.time_mask_share > 0
    if not (model.spec_augment and (model.time_warp or model.frequency_masks or times)):
        return {"specaug": None}
    return {
        "specaug": "specaug",
        "specaug_conf": {
            "apply_time_warp": model.time_warp > 0,
            "time_warp_window": model.time_warp,
            "apply_freq_mask": model.frequency_masks > 0,
            "freq_mask_width_range": [0, model.frequency_mask_bins + 1],
            "num_freq_mask": model.frequency_masks,
            "apply_time_mask": times,
            "time_mask_width_ratio_range": [0.0, model.time_mask_share],
            "num_time_mask": model.time_masks,
        },
    }


def training_options(
    training: SpeechTrainingConfig, init: InitConfig, rate: int, ngpu: int, processes: int = 1
) -> dict[str, Any]:
    """Return the options of optimiser, schedule and batches."""
    return {
        **optimisation_config(training, ngpu, processes),
        "batch_samples": training.batch_samples(rate),
        "scheduler": "warmupbygroup",
        "frozen_steps": init.frozen_steps,
        "encoder_learning_rate": init.encoder_learning_rate,
        "unused_parameters": processes > 1
        and init.frozen_steps > 0,  # or processes wait for frozen gradients
    }
