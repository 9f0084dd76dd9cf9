"""Measure fast search against ESPnet's mt_inference on the same checkpoint and sentences.

    python benchmarks/search.py                              # a made-up model of 6x6 layers, width 256
    python benchmarks/search.py --model exp/teacher --text data/test/text.en

Without a model one is made whose weights are random but for two things, so that decoding behaves
like a trained model's: the distributions are peaked, and eos becomes the likeliest token when about
as many tokens have been written as the source has.
"""

import argparse
import logging
import platform
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from espnet2.bin.mt_inference import Text2Text
from espnet2.mt.espnet_model import ESPnetMTModel
from espnet2.tasks.mt import MTTask
from torch import Tensor

from synthst.espnet.options import Hypothesis, SearchOptions
from synthst.espnet.search import search

POSITION, LENGTH, ZERO = 148, 252, 254
"""A dimension where the position's encoding is about position / 200, and two where it is about 0."""


def main() -> None:
    options = read_arguments()
    logging.disable(logging.WARNING)
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.model or make_model(Path(temporary), options.vocabulary)
        config, weights = directory / "config.yaml", find_weights(directory)
        espnet = Text2Text(
            config, weights, ctc_weight=0.0, beam_size=options.beam, **espnet_settings(options)
        )
    model = espnet.mt_model
    sources = (
        read_sources(options, espnet) if options.text else make_sources(options.sentences, options.vocabulary)
    )
    print(describe_machine(options))
    print(f"{len(sources)} sentences, {sum(map(len, sources)) / len(sources):.1f} source tokens on average\n")
    compare(model, espnet, sources, options)
    if options.profile:
        profile(model, sources, search_options(options))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="an experiment's directory: config.yaml and weights")
    parser.add_argument(
        "--text", type=Path, help="sources as lines `<id> <sentence>`; needs the model's tokeniser"
    )
    parser.add_argument("--sentences", type=int, default=512)
    parser.add_argument("--espnet_sentences", type=int, default=48, help="ESPnet decodes every n-th, so many")
    parser.add_argument("--vocabulary", type=int, default=8000, help="of the made-up model")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--max_ratio", type=float, default=2.0)
    parser.add_argument("--length_normalisation", choices=("none", "mean"), default="none")
    parser.add_argument("--batch_tokens", type=int, default=SearchOptions.batch_tokens)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="print where the time of our search goes")
    return parser.parse_args()


def espnet_settings(options: argparse.Namespace) -> dict[str, object]:
    return {"maxlenratio": options.max_ratio, "normalize_length": options.length_normalisation == "mean"}


def search_options(options: argparse.Namespace, dtype: str = "float32") -> SearchOptions:
    return SearchOptions(
        beam=options.beam,
        length_normalisation=options.length_normalisation,
        max_ratio=options.max_ratio,
        max_extra=0,
        batch_tokens=options.batch_tokens,
        dtype=dtype,
    )


def describe_machine(options: argparse.Namespace) -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = names[0].split(": ")[1] if names else platform.processor()
    return f"{processor}, {options.threads} threads, torch {torch.__version__}, beam {options.beam}"


def find_weights(directory: Path) -> Path:
    """Return the averaged or best checkpoint of the directory."""
    found = sorted(directory.glob("*.pth"), key=lambda path: (".ave" not in path.name, path.name))
    return next(path for path in found if path.name != "checkpoint.pth")


def make_model(directory: Path, vocabulary: int) -> Path:
    """Write config.yaml and model.pth of a 6x6 model of width 256 that copies its source's length."""
    tokens = ["<blank>", "<unk>", *(f"t{i}" for i in range(vocabulary - 3)), "<sos/eos>"]
    layers = {"attention_heads": 4, "linear_units": 1024, "num_blocks": 6}
    config = MTTask.get_default_config() | {
        "token_list": tokens, "src_token_list": tokens, "token_type": None, "src_token_type": None,
        "frontend": "embed", "frontend_conf": {"embed_dim": 256},
        "encoder": "transformer", "encoder_conf": {"input_layer": None, "output_size": 256, **layers},
        "decoder": "transformer", "decoder_conf": layers, "model_conf": {"report_bleu": False},
    }  # fmt: skip
    torch.manual_seed(0)
    model = MTTask.build_model(argparse.Namespace(**config))
    tie_length_to_source(model)
    (directory / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    torch.save(model.state_dict(), directory / "model.pth")
    return directory


@torch.no_grad()
def tie_length_to_source(model: ESPnetMTModel) -> None:
    """Make the logits peaked and let eos grow with (own position) - (source length).

    The first layer's source attention becomes a mean over the source; it writes the mean position,
    half the length, to a dimension of its own, which like that of the position no other part writes to.
    """
    decoder = model.decoder
    for table in (model.frontend.embed[0].weight, decoder.embed[0].weight):
        table.mul_(1 / 16)
        table[:, [POSITION, LENGTH, ZERO]] = 0
    for stack in (model.encoder.encoders, decoder.decoders):
        for name, parameter in stack.named_parameters():
            if name.endswith(("linear_out.weight", "linear_out.bias", "w_2.weight", "w_2.bias")):
                parameter[[POSITION, LENGTH, ZERO]] = 0
    attention = decoder.decoders[0].src_attn
    attention.linear_q.weight.zero_()
    attention.linear_q.bias.zero_()
    attention.linear_v.weight[0] = 0
    attention.linear_v.weight[0, POSITION] = 2.0
    attention.linear_v.weight[0, ZERO] = -2.0
    attention.linear_v.bias[0] = 0
    attention.linear_out.weight[LENGTH, 0] = 1.0
    decoder.output_layer.weight.normal_(0, 5 / 16)
    decoder.output_layer.bias.zero_()
    decoder.output_layer.weight[-1] = 0
    decoder.output_layer.weight[-1, POSITION] = 1.0
    decoder.output_layer.weight[-1, LENGTH] = -1.0
    calibrate_eos(model)


@torch.no_grad()
def calibrate_eos(model: ESPnetMTModel) -> None:
    """Scale eos' logit to pass the largest other logit at the source's length, rising by 2 per token."""
    model.eval()
    decoder = model.decoder
    hidden, logits = decode_random(model, 40)
    last = hidden[-1] - hidden[-1, ZERO]
    decoder.decoders[0].src_attn.linear_out.weight[LENGTH, 0] *= last[POSITION] / last[LENGTH]
    slope = (hidden[:, POSITION] - hidden[:, ZERO]).diff().mean()
    decoder.output_layer.weight[-1].mul_(2 / slope)
    decoder.output_layer.bias[-1] = logits[:, :-1].amax(-1).mean()


def decode_random(model: ESPnetMTModel, length: int) -> tuple[Tensor, Tensor]:
    """Return the last hidden states and logits for a random source and target of one length."""
    source, target = torch.randint(2, model.vocab_size - 1, (2, 1, length))
    encoded, lengths = model.encode(source, torch.tensor([length]))
    (logits, hidden), _ = model.decoder(encoded, lengths, target, torch.tensor([length]), return_hs=True)
    return hidden[0], logits[0]


def make_sources(sentences: int, vocabulary: int) -> list[list[int]]:
    """Draw sources of 4 to 60 tokens, 20 on average, as sentences are after BPE."""
    draw = random.Random(0)
    lengths = [min(60, max(4, round(draw.lognormvariate(2.9, 0.5)))) for _ in range(sentences)]
    return [[draw.randrange(2, vocabulary - 1) for _ in range(length)] for length in lengths]


def read_sources(options: argparse.Namespace, espnet: Text2Text) -> list[list[int]]:
    """Tokenise the text's first sentences as ESPnet's preprocessor does."""
    preprocess = MTTask.build_preprocess_fn(espnet.mt_train_args, False)
    lines = options.text.read_text(encoding="utf-8").split("\n")[: options.sentences]
    texts = [line.split(" ", 1)[1] for line in lines if " " in line]
    return [preprocess("id", {"src_text": text})["src_text"].tolist() for text in texts]


def compare(
    model: ESPnetMTModel, espnet: Text2Text, sources: list[list[int]], options: argparse.Namespace
) -> None:
    """Time both and print the table."""
    chosen = list(range(0, len(sources), max(1, len(sources) // options.espnet_sentences)))
    espnet(torch.tensor(sources[chosen[0]]))
    wanted, rows = {}, []
    for name, ratio in (("espnet mt_inference", options.max_ratio), ("espnet, maxlenratio 0", 0.0)):
        espnet.maxlenratio = ratio
        begin = time.perf_counter()
        found = [espnet(torch.tensor(sources[index]))[0][3].yseq.tolist() for index in chosen]
        rows.append((name, len(chosen) / (time.perf_counter() - begin), 0))
        wanted[name] = [tokens[1 : tokens.index(model.eos, 1)] for tokens in found]
    reference = wanted["espnet mt_inference"]
    rows[1] = (*rows[1][:2], agreement(wanted["espnet, maxlenratio 0"], reference))
    rows[0] = (*rows[0][:2], len(reference))
    for dtype in ("float32", "bfloat16"):
        search(model, sources[:64], search_options(options, dtype))
        begin = time.perf_counter()
        hypotheses = search(model, sources, search_options(options, dtype))
        speed = len(sources) / (time.perf_counter() - begin)
        ours = [list(hypotheses[index][0].tokens) for index in chosen]
        rows.append((f"synthst {dtype}", speed, agreement(ours, reference)))
    print_table(rows, hypotheses, len(chosen))


def agreement(ours: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> int:
    return sum(mine == theirs for mine, theirs in zip(ours, wanted, strict=True))


def print_table(
    rows: list[tuple[str, float, int]], hypotheses: list[list[Hypothesis]], compared: int
) -> None:
    print(f"{'search':24}{'sentences/s':>12}{'ratio':>8}{'equal 1-best':>14}")
    for name, speed, equal in rows:
        print(f"{name:24}{speed:12.1f}{speed / rows[0][1]:8.1f}{f'{equal} of {compared}':>14}")
    best = [nbest[0] for nbest in hypotheses]
    mean_length = sum(len(hyp.tokens) for hyp in best) / len(best)
    print(f"\n{mean_length:.1f} output tokens on average, {sum(not hyp.finished for hyp in best)} cut off")


def profile(model: ESPnetMTModel, sources: list[list[int]], options: SearchOptions) -> None:
    """Print torch's profile of our search, by operator."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as record:
        search(model, sources[:256], options)
    print(record.key_averages().table(sort_by="self_cpu_time_total", row_limit=18, max_name_column_width=40))


if __name__ == "__main__":
    main()
