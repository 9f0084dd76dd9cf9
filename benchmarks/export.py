"""Compare an exported model with the model it was made of, on real sentences.

    python benchmarks/export.py --model exp/.../teacher_own --data data/.../corpus/test --src en --tgt de

Prints how far log probabilities are apart, how many best translations of CTranslate2 (float32) are those of
our search, by CTranslate2's rule of stopping (first_come) and by ESPnet's (shrinking): greedy, and with a
beam ordered by the sum of log probabilities or by their mean; and BLEU, also of int8.
"""

import argparse
import logging
import tempfile
from itertools import islice
from pathlib import Path

import sacrebleu
import torch

from synthst.datadir import text_path
from synthst.espnet.export import export_model, score_exported, score_tokens
from synthst.espnet.load import TrainedModel, load_model
from synthst.tables import join_tables
from synthst.teacher.ct2 import Ct2Options, Ct2Teacher
from synthst.teacher.espnet import EspnetOptions, EspnetTeacher
from synthst.teacher.protocol import SearchSettings

FLOAT32 = Ct2Options(compute_type="float32")


def main() -> None:
    options = read_arguments()
    logging.disable(logging.WARNING)
    trained = load_model(options.model)
    texts = [text_path(options.data, lang) for lang in (options.src, options.tgt)]
    rows = list(islice(join_tables(texts), options.sentences))
    sources, references = [values[0] for _, values in rows], [values[1] for _, values in rows]
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary, name) for name in ("float32", "int8")}
        for quantisation, folder in folders.items():
            export_model(options.model, folder, quantisation=quantisation)
        print(f"{options.model}, {len(sources)} sentences of {options.data}")
        compare_scores(trained, folders["float32"], sources, references)
        compare_searches(trained, folders["float32"], sources, options.beam)
        compare_bleu(options.model, folders, sources, references, options.beam)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="data directory with both languages")
    parser.add_argument("--src", required=True)
    parser.add_argument("--tgt", required=True)
    parser.add_argument("--sentences", type=int, default=500)
    parser.add_argument("--beam", type=int, default=4)
    return parser.parse_args()


def compare_scores(trained: TrainedModel, folder: Path, sources: list[str], references: list[str]) -> None:
    """Score the references with both, forced."""
    pairs = [
        (trained.src_tokenizer.encode(source), trained.tgt_tokenizer.encode(reference))
        for source, reference in zip(sources, references, strict=True)
    ]
    tokens = trained.src_tokenizer.token_list(), trained.tgt_tokenizer.token_list()
    found = torch.tensor(sum(score_exported(folder, *tokens, pairs), []))
    wanted = torch.cat([score_tokens(trained.model, *pair) for pair in pairs])
    difference = (found - wanted).abs()
    print(f"log probabilities of {len(found):,} reference tokens: {difference.max():.1e} apart at most")


def compare_searches(trained: TrainedModel, folder: Path, sources: list[str], beam: int) -> None:
    """Print how many best translations are equal, for each way to search and to order."""
    for stopping in ("first_come", "shrinking"):
        for name, settings in (
            ("greedy", SearchSettings(beam=1)),
            (f"beam {beam} by sum", SearchSettings(beam=beam, length_normalisation="none")),
            (f"beam {beam} by mean", SearchSettings(beam=beam)),
        ):
            teacher = EspnetTeacher(trained.directory, settings, options=EspnetOptions(stopping))
            ours = [found[0] for found in teacher.translate(sources)]
            theirs = [found[0] for found in Ct2Teacher(folder, settings, options=FLOAT32).translate(sources)]
            differing = [index for index in range(len(sources)) if ours[index].text != theirs[index].text]
            gaps = [abs(ours[index].score - theirs[index].score) for index in differing]
            told = f", the others score at most {max(gaps):.1e} apart" if gaps else ""
            equal = len(sources) - len(differing)
            print(f"{stopping}, {name}: {equal} of {len(sources)} equal{told}", flush=True)


def compare_bleu(
    model: Path, folders: dict[str, Path], sources: list[str], references: list[str], beam: int
) -> None:
    """Print BLEU of our search and of the exports."""
    settings = SearchSettings(beam=beam)
    teachers = {
        "espnet, shrinking": EspnetTeacher(model, settings),
        "espnet, first_come": EspnetTeacher(model, settings, options=EspnetOptions("first_come")),
        "ct2 float32": Ct2Teacher(folders["float32"], settings, options=FLOAT32),
        "ct2 int8": Ct2Teacher(folders["int8"], settings),
    }
    for name, teacher in teachers.items():
        texts = [found[0].text for found in teacher.translate(sources)]
        print(f"BLEU {name}: {sacrebleu.corpus_bleu(texts, [references]).score:.2f}", flush=True)


if __name__ == "__main__":
    main()
