"""Measure fast speech search against ESPnet's st_inference on the same checkpoint and utterances.

    python benchmarks/speech_search.py                                  # a made-up model, 12x6 of width 256
    python benchmarks/speech_search.py --model exp/student --audio dump/test/wav.scp --max_ratio 0.5

Without a model one is made with random weights, a Conformer over 40 ms frames, which never ends: every
translation has ``max_ratio`` tokens per frame, 5 a second, as speech has. Utterances are noise then, with
lengths as in recordings of talks: 0.8 to 25 seconds, 5.6 on average.
"""

import argparse
import logging
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from espnet2.bin.st_inference import Speech2Text
from espnet2.tasks.st import STTask
from search import agreement, describe_machine, find_weights

from synthst.audio import read_audio
from synthst.espnet.options import SearchOptions
from synthst.espnet.speech_encoder import Samples, SpeechEncoder, SpeechModel
from synthst.espnet.speech_search import search_speech
from synthst.tables import read_table

RATE = 16_000
Audio = Sequence[tuple[str, Samples]]
Clock = Callable[[], float]


def main() -> None:
    options = read_arguments()
    logging.disable(logging.WARNING)
    clock = time.process_time if options.processor_time else time.perf_counter
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.model or make_model(Path(temporary), options.vocabulary)
        espnet = Speech2Text(
            directory / "config.yaml", find_weights(directory), beam_size=options.beam, ctc_weight=0.0,
            maxlenratio=options.max_ratio, token_type="word", src_token_type="word",
        )  # fmt: skip
    audio = read_recordings(options) if options.audio else make_noise(options.utterances)
    seconds = sum(len(samples) for _, samples in audio) / RATE
    print(describe_machine(options))
    print(f"{len(audio)} utterances, {seconds / len(audio):.1f} seconds on average\n")
    compare(espnet, audio, options, clock)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="an experiment's directory: config.yaml and weights")
    parser.add_argument("--audio", type=Path, help="a wav.scp of 16 kHz recordings, for --model")
    parser.add_argument("--utterances", type=int, default=128)
    parser.add_argument(
        "--espnet_utterances", type=int, default=16, help="ESPnet decodes every n-th, so many"
    )
    parser.add_argument("--vocabulary", type=int, default=4000, help="of the made-up model")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--max_ratio", type=float, default=0.2, help="tokens per frame of the encoder")
    parser.add_argument("--batch_seconds", type=float, default=120.0)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--processor_time", action="store_true", help="not the clock's: for --threads 1 on a busy machine"
    )
    return parser.parse_args()


def make_model(directory: Path, vocabulary: int) -> Path:
    """Write config.yaml and model.pth of a 12x6 model of width 256 that never ends by itself."""
    tokens = ["<blank>", "<unk>", *(f"t{i}" for i in range(vocabulary - 3)), "<sos/eos>"]
    layers = {"attention_heads": 4, "linear_units": 1024}
    config = STTask.get_default_config() | {
        "token_list": tokens, "src_token_list": tokens, "token_type": None, "src_token_type": None,
        "frontend_conf": {"fs": RATE, "n_fft": 512, "win_length": 400, "hop_length": 160},
        "specaug": None, "normalize": "utterance_mvn", "encoder": "conformer",
        "encoder_conf": {
            "output_size": 256, "num_blocks": 12, "macaron_style": True, "rel_pos_type": "latest",
            "cnn_module_kernel": 31, **layers,
        },
        "decoder": "transformer", "decoder_conf": {"num_blocks": 6, **layers},
        "model_conf": {"report_bleu": False, "report_cer": False, "report_wer": False},
    }  # fmt: skip
    torch.manual_seed(0)
    model = STTask.build_model(argparse.Namespace(**config))
    with torch.no_grad():
        model.decoder.output_layer.weight.normal_(0, 5 / 16)
        model.decoder.output_layer.bias.zero_()
        model.decoder.output_layer.bias[-1] = -1e4
    (directory / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    torch.save(model.state_dict(), directory / "model.pth")
    return directory


def make_noise(utterances: int) -> Audio:
    """Draw utterances whose loudness changes five times a second."""
    draw, noise = random.Random(0), torch.Generator().manual_seed(0)
    audio = []
    for number in range(utterances):
        samples = int(RATE * min(25.0, max(0.8, draw.lognormvariate(1.5, 0.7))))
        loudness = torch.rand(samples // 3200 + 1, generator=noise).repeat_interleave(3200)[:samples]
        audio.append(
            (f"noise_{number:04d}", (0.2 * loudness * torch.randn(samples, generator=noise)).numpy())
        )
    return audio


def read_recordings(options: argparse.Namespace) -> Audio:
    """Read the table's first recordings."""
    rows = [row for row, _ in zip(read_table(options.audio), range(options.utterances), strict=False)]
    return [(name, read_audio(wav, rate=RATE)[0]) for name, wav in rows]


def compare(espnet: Speech2Text, audio: Audio, options: argparse.Namespace, clock: Clock) -> None:
    """Time both and print the table."""
    model: SpeechModel = espnet.st_model
    chosen = audio[:: max(1, len(audio) // options.espnet_utterances)]
    espnet(chosen[0][1])
    with timed(model, "encode", clock) as encodings:
        begin = clock()
        found = [espnet(samples)[0][3].yseq.tolist() for _, samples in chosen]
        reference = clock() - begin
    wanted = [tokens[1 : tokens.index(model.eos, 1)] for tokens in found]
    print(f"{'search':20}{'real time':>11}{'ratio':>8}{'encoder alone':>15}{'equal 1-best':>14}")
    print_row("espnet st_inference", chosen, reference, sum(encodings), reference, chosen, len(wanted))
    for dtype in options.dtypes:
        settings = SearchOptions(
            beam=options.beam,
            length_normalisation="none",
            max_ratio=options.max_ratio,
            max_extra=0,
            dtype=dtype,
        )
        list(search_speech(model, chosen[:2], settings))
        begin = clock()
        results = list(search_speech(model, audio, settings, batch_seconds=options.batch_seconds))
        total = clock() - begin
        begin = clock()
        encode_all(SpeechEncoder(model, getattr(torch, dtype)), audio)
        encoding = clock() - begin
        best = {one.utterance: list(one.hypotheses[0].tokens) for one in results}
        equal = agreement([best[name] for name, _ in chosen], wanted)
        print_row(f"synthst {dtype}", audio, total, encoding, reference, chosen, equal)
    tokens = [len(one) for one in best.values()]
    print(f"\n{sum(tokens) / len(tokens):.1f} output tokens on average")


def encode_all(encoder: SpeechEncoder, audio: Audio, batch: int = 16) -> None:
    """Encode every utterance and nothing more."""
    features = [found for name, samples in audio if (found := encoder.features(name, samples)) is not None]
    list(encoder.encode_batches(features[first : first + batch] for first in range(0, len(features), batch)))


def print_row(
    name: str, audio: Audio, total: float, encoder: float, reference: float, chosen: Audio, equal: int
) -> None:
    """Print times in seconds per second of audio, so a smaller number of utterances can be compared."""
    seconds, others = (sum(len(samples) for _, samples in some) / RATE for some in (audio, chosen))
    print(
        f"{name:20}{total / seconds:11.4f}{reference / others / (total / seconds):8.1f}"
        f"{encoder / seconds:15.4f}{f'{equal} of {len(chosen)}':>14}"
    )


@contextmanager
def timed(owner: Any, name: str, clock: Clock) -> Iterator[list[float]]:
    """Collect the seconds that each call of ``owner.name`` takes."""
    original: Callable[..., Any] = getattr(owner, name)
    times = list[float]()

    def measure(*args: Any, **kwargs: Any) -> Any:
        begin = clock()
        try:
            return original(*args, **kwargs)
        finally:
            times.append(clock() - begin)

    setattr(owner, name, measure)
    try:
        yield times
    finally:
        delattr(owner, name)


if __name__ == "__main__":
    main()
