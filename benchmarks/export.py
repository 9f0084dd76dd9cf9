"""Compare an exported model with the model it was made of, on real sentences.

    python benchmarks/export.py --model exp/.../teacher_own --data data/.../corpus/test --src en --tgt de

Prints how far log probabilities are apart, how many best translations of CTranslate2 (float32) are those of
our search, greedily and with a beam, ordered by the sum of log probabilities or by their mean; and BLEU, also
of int8. With the mean the two searches differ by rule: when a hypothesis ends, CTranslate2 puts the next best
in its place, and stops after ``beam`` have ended; ESPnet's beam and ours shrink and go on until no hypothesis
can become the best. So where they differ, CTranslate2's rule is followed on our own decoder.
"""

import argparse
import logging
import tempfile
from itertools import islice
from pathlib import Path

import sacrebleu
import torch
from espnet2.mt.espnet_model import ESPnetMTModel

from synthst.datadir import text_path
from synthst.espnet.export import export_model, score_exported, score_tokens
from synthst.espnet.load import TrainedModel, load_model
from synthst.espnet.search import encode_sources
from synthst.espnet.stepdecoder import StepDecoder
from synthst.tables import join_tables
from synthst.teacher.ct2 import Ct2Options, Ct2Teacher
from synthst.teacher.espnet import EspnetTeacher
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
    """Print how many best translations are equal, for each way to order them."""
    for name, settings in (
        ("greedy", SearchSettings(beam=1)),
        (f"beam {beam} by sum", SearchSettings(beam=beam, length_normalisation="none")),
        (f"beam {beam} by mean", SearchSettings(beam=beam)),
    ):
        ours = [found[0] for found in EspnetTeacher(trained.directory, settings).translate(sources)]
        exported = Ct2Teacher(folder, settings, options=FLOAT32)
        theirs = [found[0] for found in exported.translate(sources)]
        differing = [index for index in range(len(sources)) if ours[index].text != theirs[index].text]
        print(f"{name}: {len(sources) - len(differing)} of {len(sources)} equal", end="")
        if differing and settings.length_normalisation == "mean":
            better = sum(theirs[index].score > ours[index].score for index in differing)
            by_rule = [search_with_full_beam(trained, sources[index], settings) for index in differing]
            texts = map(trained.tgt_tokenizer.decode, by_rule)
            same = sum(text == theirs[index].text for text, index in zip(texts, differing, strict=True))
            print(f"; of the others CTranslate2's is scored higher in {better}, and", end=" ")
            print(f"{same} of {len(differing)} are found by its rule on our decoder", end="")
        print(flush=True)


@torch.inference_mode()
def search_with_full_beam(trained: TrainedModel, source: str, settings: SearchSettings) -> list[int]:
    """Search one sentence by CTranslate2's rule, order by mean, and return the best tokens."""
    model: ESPnetMTModel = trained.model
    encoded, lengths = encode_sources(model, [trained.src_tokenizer.encode(source)])
    limit = max(1, int(settings.max_ratio * int(lengths[0])) + settings.max_extra)
    decoder = StepDecoder(model.decoder)
    cache = decoder.start(encoded, lengths, settings.beam)
    last, running = torch.tensor([[model.sos]]), [(0.0, [])]
    ended: list[tuple[float, list[int]]] = []
    for step in range(limit):
        logits = decoder.step(last, cache)[0]
        if step < settings.min_length:
            logits[:, model.eos] = float("-inf")
        totals = torch.log_softmax(logits, -1) + torch.tensor([[score] for score, _ in running])
        values, places = totals.flatten().topk(2 * settings.beam)
        found = list(zip(values.tolist(), places.tolist(), strict=True))
        spare = [one for one in found[settings.beam :] if one[1] % len(logits[0]) != model.eos]
        chosen = []
        for score, place in found[: settings.beam]:
            parent, token = divmod(place, len(logits[0]))
            if token == model.eos or step + 1 == limit:
                words = running[parent][1] + [token] * (token != model.eos)
                ended.append((score / (len(words) + 1), words))
                score, place = spare.pop(0) if spare else (float("-inf"), place)
            chosen.append((score, *divmod(place, len(logits[0]))))
        if len(ended) >= settings.beam:
            break
        cache.choose(torch.tensor([[parent for _, parent, _ in chosen]]))
        last = torch.tensor([[token for _, _, token in chosen]])
        running = [(score, [*running[parent][1], token]) for score, parent, token in chosen]
    return max(ended)[1]


def compare_bleu(
    model: Path, folders: dict[str, Path], sources: list[str], references: list[str], beam: int
) -> None:
    """Print BLEU of our search and of the exports."""
    settings = SearchSettings(beam=beam)
    teachers = {
        "espnet": EspnetTeacher(model, settings),
        "ct2 float32": Ct2Teacher(folders["float32"], settings, options=FLOAT32),
        "ct2 int8": Ct2Teacher(folders["int8"], settings),
    }
    for name, teacher in teachers.items():
        texts = [found[0].text for found in teacher.translate(sources)]
        print(f"BLEU {name}: {sacrebleu.corpus_bleu(texts, [references]).score:.2f}", flush=True)


if __name__ == "__main__":
    main()
