"""Measure decoding side by side: ESPnet, transformers, CTranslate2, and synthst through its backends.

    python benchmarks/decode.py --model exp/.../teacher_own --data data/.../corpus/test --src en --tgt de

One model, the same distinct sentences, one beam. The others are timed on tokens that are ready; synthst from
the data directory to the finished translation store, tokenising and all. Loading is left out everywhere.
``--layers 6`` deepens a small model without changing what it writes, see `others.deepen_model`. Of several
``--rounds`` the best counts. ESPnet decodes as it does by default, which ends a target at the source's length
at the latest.
"""

import argparse
import logging
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import ctranslate2
import others
import sacrebleu
import torch
import transformers

from synthst.datadir import text_path
from synthst.espnet.export import export_model
from synthst.espnet.load import TrainedModel, load_model
from synthst.nbest import read_nbest
from synthst.tables import read_table, write_table
from synthst.teacher.ct2 import COMPUTE_TYPES
from synthst.teacher.decode import decode_corpus
from synthst.teacher.kinds import load_teacher
from synthst.teacher.protocol import SearchSettings, Teacher

WARM_UP = 16
"""Sentences decoded before the clock runs."""


@dataclass
class System:
    """A row of the table."""

    name: str
    decode: Callable[[Sequence[int]], dict[int, str]]
    """Translate the sentences of these indices, by index."""
    every: int = 1
    """Decode only each n-th sentence."""
    seconds: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)
    """Kept busy, on average; fewer than there are when others use the machine."""
    found: dict[int, str] = field(default_factory=dict)

    @property
    def speed(self) -> float:
        """Return sentences per second of the best round."""
        return len(self.found) / min(self.seconds)


@dataclass(frozen=True)
class Task:
    """What all translate, and with what."""

    directory: Path
    exported: Path
    trained: TrainedModel
    sentences: list[str]
    references: list[str]
    tokens: list[list[int]]
    """Of the sentences, without sos."""
    options: argparse.Namespace

    def limit(self, tokens: int) -> int:
        """Return what synthst's defaults let a source of so many tokens become."""
        return int(SearchSettings.max_ratio * (tokens + 1)) + SearchSettings.max_extra


def main() -> None:
    options = read_arguments()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(options.cores)
    with tempfile.TemporaryDirectory() as temporary:
        task = prepare(options, Path(temporary))
        print(describe(task), flush=True)
        systems = list_systems(task, Path(temporary))
        for round_number in range(options.rounds):
            for system in systems:
                measure(system, len(task.sentences), warm=round_number > 0)
        print_table(systems, task)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="a trained MT model's directory")
    parser.add_argument("--data", type=Path, required=True, help="data directory with both languages")
    parser.add_argument("--src", required=True)
    parser.add_argument("--tgt", required=True)
    parser.add_argument("--layers", type=int, default=6, help="deepen the model to so many on each side")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--espnet_sentences", type=int, default=50, help="ESPnet decodes every n-th, so many")
    parser.add_argument("--transformers_batch", type=int, default=16)
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", nargs="*", help="systems by a part of their name")
    return parser.parse_args()


def prepare(options: argparse.Namespace, folder: Path) -> Task:
    """Deepen the model, export it, and choose the sentences: distinct ones, as a store has them."""
    directory = others.deepen_model(options.model, folder / "model", options.layers)
    on_cpu = options.device == "cpu"
    export_model(directory, folder / "exported", quantisation="int8" if on_cpu else "float32")
    trained = load_model(directory, device=options.device)
    references = dict(read_table(text_path(options.data, options.tgt)))
    pairs = {source: references[key] for key, source in read_table(text_path(options.data, options.src))}
    chosen = dict(islice(pairs.items(), options.sentences))
    tokens = [trained.src_tokenizer.encode(sentence) for sentence in chosen]
    return Task(directory, folder / "exported", trained, list(chosen), list(chosen.values()), tokens, options)


def list_systems(task: Task, folder: Path) -> list[System]:
    """Return the rows; what takes no part is not loaded."""
    cores, cuda = task.options.cores, task.options.device != "cpu"
    compute = COMPUTE_TYPES["cuda" if cuda else "cpu"]
    every = max(1, len(task.sentences) // task.options.espnet_sentences)
    workers = 1 if cuda else cores
    batches = {
        "max_batch_size": 16_384 if cuda else 1_024, "batch_type": "tokens",
        "max_decoding_length": task.limit(max(map(len, task.tokens))),
    }  # fmt: skip
    wanted: list[tuple[str, int, Callable[[], Callable[[Sequence[int]], dict[int, str]]]]] = [
        ("ESPnet mt_inference", every, lambda: with_espnet(task)),
        (f"transformers generate, batch {task.options.transformers_batch}", 1, lambda: with_generate(task)),
        (f"CTranslate2 {compute}, its defaults", 1, lambda: with_ctranslate2(task, compute)),
        (
            f"CTranslate2 {compute}, {workers} workers, token batches", 1,
            lambda: with_ctranslate2(task, compute, batches, inter_threads=workers, intra_threads=1),
        ),
        ("synthst espnet, with store", 1, lambda: with_synthst(task, folder, f"espnet:{task.directory}")),
        (f"synthst ct2 {compute}, with store", 1, lambda: with_synthst(task, folder, f"ct2:{task.exported}")),
    ]  # fmt: skip
    only = task.options.only
    chosen = [row for row in wanted if only is None or any(part in row[0] for part in only)]
    return [System(name, make(), every) for name, every, make in chosen]


def with_espnet(task: Task) -> Callable[[Sequence[int]], dict[int, str]]:
    """Decode with espnet2.bin.mt_inference, a sentence at a time, as it does."""
    espnet = others.make_espnet(task.directory, task.options.beam, task.options.device)

    def decode(indices: Sequence[int]) -> dict[int, str]:
        found = {index: espnet(torch.tensor(task.tokens[index]))[0][3].yseq.tolist() for index in indices}
        return {index: task.trained.tgt_tokenizer.decode(tokens) for index, tokens in found.items()}

    return decode


def with_generate(task: Task) -> Callable[[Sequence[int]], dict[int, str]]:
    """Decode with the same model in transformers, sentences of like length together."""
    model = others.make_transformers(task.trained.model, task.options.device)

    def decode(indices: Sequence[int]) -> dict[int, str]:
        found = others.generate(
            model,
            [task.tokens[index] for index in indices],
            sos=task.trained.model.sos,
            beam=task.options.beam,
            batch=task.options.transformers_batch,
        )
        texts = map(task.trained.tgt_tokenizer.decode, found)
        return dict(zip(indices, texts, strict=True))

    return decode


def with_ctranslate2(
    task: Task, compute: str, batches: dict[str, object] | None = None, **threads: int
) -> Callable[[Sequence[int]], dict[int, str]]:
    """Decode the export with CTranslate2's own translate_batch, all sentences in one call."""
    device = task.options.device
    translator = ctranslate2.Translator(str(task.exported), device, compute_type=compute, **threads)
    src_tokens, tgt_tokenizer = task.trained.src_tokenizer.token_list(), task.trained.tgt_tokenizer
    ids = {token: number for number, token in enumerate(tgt_tokenizer.token_list())}
    rows = [[src_tokens[token] for token in tokens] for tokens in task.tokens]

    def decode(indices: Sequence[int]) -> dict[int, str]:
        chosen = [rows[index] for index in indices]
        results = translator.translate_batch(chosen, beam_size=task.options.beam, **(batches or {}))
        found = [[ids[token] for token in result.hypotheses[0]] for result in results]
        return dict(zip(indices, map(tgt_tokenizer.decode, found), strict=True))

    return decode


def with_synthst(task: Task, folder: Path, spec: str) -> Callable[[Sequence[int]], dict[int, str]]:
    """Decode into a new translation store and read it."""
    settings = SearchSettings(beam=task.options.beam)
    device = task.options.device
    teacher: Teacher = load_teacher(spec, settings, src=task.options.src, tgt=task.options.tgt, device=device)

    def decode(indices: Sequence[int]) -> dict[int, str]:
        place = Path(tempfile.mkdtemp(dir=folder))
        data, store = place / "data", place / "store"
        data.mkdir()
        keys = {f"s{index:06d}": index for index in indices}
        text = text_path(data, task.options.src)
        write_table(text, ((key, task.sentences[index]) for key, index in keys.items()))
        decode_corpus(teacher, data, store, src=task.options.src)
        with read_nbest(store, text) as nbest:
            return {keys[found.id]: found.hypotheses[0].text for found in nbest.lists()}

    return decode


def measure(system: System, sentences: int, *, warm: bool) -> None:
    """Time a system once."""
    chosen = range(0, sentences, system.every)
    if not warm:
        system.decode(chosen[:WARM_UP] if system.every == 1 else chosen[:1])
    begin, busy = time.perf_counter(), time.process_time()
    system.found = system.decode(chosen)
    system.seconds.append(time.perf_counter() - begin)
    system.cores.append((time.process_time() - busy) / system.seconds[-1])
    speed = len(system.found) / system.seconds[-1]
    print(
        f"{system.name}: {speed:.1f} sentences/s, {system.cores[-1]:.2f} cores", file=sys.stderr, flush=True
    )


def describe(task: Task) -> str:
    """Say what is measured, and with what."""
    options, model = task.options, task.trained.model
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    machine = names[0].split(": ")[1] if names else platform.processor()
    if options.device != "cpu":
        machine = torch.cuda.get_device_name()
    shape = f"{len(model.encoder.encoders)}x{len(model.decoder.decoders)}"
    width, vocabulary = model.encoder.output_size(), model.vocab_size
    words = sum(map(len, task.tokens)) / len(task.tokens)
    versions = (f"{module.__name__} {module.__version__}" for module in (torch, transformers, ctranslate2))
    return (
        f"{machine}, {options.cores} cores, {', '.join(versions)}\n{options.model.name} as {shape}, width "
        f"{width}, vocabulary {vocabulary:,}, beam {options.beam}; {len(task.sentences):,} sentences, "
        f"{words:.1f} source tokens on average, best of {options.rounds} rounds\n"
    )


def print_table(systems: Sequence[System], task: Task) -> None:
    """Print speed, ratios to the first system, BLEU, and how many translations are synthst espnet's."""
    first, reference = systems[0], next((one for one in systems if "synthst espnet" in one.name), systems[0])
    shared = set.intersection(*(set(system.found) for system in systems))
    print(f"\n{'':52}{'sentences/s':>12}{'cores':>7}{'ratio':>8}{'BLEU':>7}{'equal':>8}")
    for system in systems:
        equal = sum(system.found[index] == reference.found[index] for index in shared)
        hypotheses = [system.found[index] for index in sorted(system.found)]
        references = [task.references[index] for index in sorted(system.found)]
        bleu = f"{sacrebleu.corpus_bleu(hypotheses, [references]).score:.1f}" if system.every == 1 else "-"
        speed = f"{system.speed:12.1f}{max(system.cores):7.2f}{system.speed / first.speed:8.1f}"
        print(f"{system.name:52}{speed}{bleu:>7}{equal / len(shared):8.0%}")


if __name__ == "__main__":
    main()
