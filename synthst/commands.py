"""The stages' commands that join several parts of the package, each a typed function, also for Python."""

import hashlib
import json
import logging
import time
from dataclasses import asdict
from pathlib import Path

from synthst.corpora.parallel import import_pairs
from synthst.datadir import check_datadir, exclude_datadir, new_directory, subset_datadir, text_path
from synthst.errors import ConfigError, DataError
from synthst.info import is_made, write_info
from synthst.multilingual import read_tagged
from synthst.report import report_results
from synthst.score import is_stale, score_system
from synthst.speechdir import check_speech, is_speech
from synthst.tables import write_table
from synthst.teacher.kinds import load_teacher
from synthst.teacher.protocol import SearchSettings, Teacher
from synthst.testsets import decoded_path, find_test_sets
from synthst.tokens import Tokenizer, refuse_unknown_tags
from synthst.wer import word_error_rate

logger = logging.getLogger(__name__)


def check(data: Path) -> None:
    """Read a data directory, audio too; print rows, lengths and hours, or the first error and its remedy."""
    for summary in check_datadir(data):
        print(summary)
    if is_speech(data):
        check_speech(data)


def import_text(out: Path, *, src: str, tgt: str, tsv: Path | None = None, id_prefix: str = "utt") -> None:
    """Make the data directory ``out`` of your own parallel text.

    Either ``tsv`` has a row of id, source and target for each pair, and ``src`` and ``tgt`` are languages
    (--tsv pairs.tsv --src en --tgt de); or ``src`` and ``tgt`` are files of as many lines, named after their
    languages (--src a.en --tgt a.de).
    """
    if tsv is not None:
        import_pairs(out, src=src, tgt=tgt, tsv=tsv, id_prefix=id_prefix)
        return
    files = [Path(src), Path(tgt)]
    langs = [path.suffix.removeprefix(".") for path in files]
    if not all(langs):
        raise ConfigError(f"--src {src} --tgt {tgt}: give --tsv, or files named after their languages")
    import_pairs(out, src=langs[0], tgt=langs[1], src_file=files[0], tgt_file=files[1], id_prefix=id_prefix)


def choose_subset(
    data: Path, out: Path, *, rest: Path, size: str = "all", max_rest: int | None = None
) -> None:
    """Copy ``size`` utterances, a number or "all", to ``out``, and at most ``max_rest`` others to ``rest``.

    Subsets are nested: a smaller one is inside a larger. With "all" nothing is left for ``rest``.
    """
    total = check_datadir(data)[0].rows
    kept = total if size == "all" else parse_size(size)
    subset_datadir(data, out, size=kept)
    if kept == total:
        return
    others = rest if max_rest is None else rest.with_name(f"{rest.name}_unlimited")
    exclude_datadir(data, out, others)
    if max_rest is not None:
        subset_datadir(others, rest, size=min(max_rest, total - kept))


def parse_size(size: str) -> int:
    """Read a positive number."""
    if not size.isdecimal() or int(size) < 1:
        raise ConfigError(f"--size is {size!r}, wanted is a number of utterances above 0, or all")
    return int(size)


def translate_sets(
    models: list[Path],
    data: Path,
    test_sets: list[str],
    *,
    src: str,
    tgt: str,
    search: SearchSettings = SearchSettings(),  # noqa: B008
    ngpu: int = 0,
) -> None:
    """Translate test sets ``data``/<set> with trained models into <model>/decode_<set>/text.<tgt>.

    A set may also be a path from ``data`` or from the root (``../wesnoth/test`` goes into
    decode_wesnoth_test), or one of sacreBLEU's, which is fetched into ``data``. A directory that is no
    trained model of ours (a teacher taken from elsewhere) is passed over and named.
    """
    sets = dict(zip(test_sets, find_test_sets(test_sets, data, src=src, tgt=tgt), strict=True))
    for directory in models:
        if not (directory / "train.json").is_file():
            logger.info("%s holds no model that was trained here; its test sets are not decoded", directory)
            continue
        loaded = load_teacher(f"espnet:{directory}", search, device="cuda" if ngpu else "cpu")
        tokenizer = Tokenizer(directory / "src.model")
        for name, test_set in sets.items():
            refuse_unknown_tags(tokenizer, test_set)
            translate_set(loaded, test_set, decoded_path(directory, name), src=src, tgt=tgt)


def translate_set(teacher: Teacher, data: Path, out: Path, *, src: str, tgt: str) -> None:
    """Translate ``data`` into ``out``/text.<tgt>, by id; time and cut-off hypotheses go into decode.json."""
    text = text_path(data, src)
    made_by = {
        "step": "translate_set",
        "data": str(data),
        "sha256": hashlib.sha256(text.read_bytes()).hexdigest(),
        "model": dict(teacher.identity),
        "search": asdict(teacher.settings),
    }
    if is_made(out, made_by):
        logger.info("%s is there already", out)
        return
    rows = [(key, source) for key, (source,) in read_tagged(data, [src])]
    start = time.monotonic()
    best = [hypotheses[0] for hypotheses in teacher.translate([source for _, source in rows])]
    seconds = time.monotonic() - start
    facts = {"sentences": len(rows), "seconds": seconds, "cut_off": sum(not hyp.finished for hyp in best)}
    with new_directory(out) as folder:
        translated = ((key, hyp.text) for (key, _), hyp in zip(rows, best, strict=True))
        write_table(folder / f"text.{tgt}", translated, allow_empty=True)
        (folder / "decode.json").write_text(json.dumps(facts), encoding="utf-8")
        write_info(folder, made_by, parents=[data])
    logger.info("%s: %d sentences in %.0f s", out, len(rows), seconds)


def write_results(
    exp: Path,
    *,
    data: Path,
    test_sets: list[str],
    src: str,
    tgt: str,
    out: Path,
    title: str,
    command: str,
    baseline: str = "real",
    samples: int = 5,
) -> None:
    """Score every model of ``exp`` that has decoded test sets, compare them, and write them into ``out``.

    ``samples`` sentences of the first test set are shown with all translations.
    """
    models = sorted(path.parent for path in exp.glob("*/train.json"))
    if not models:
        raise DataError(f"{exp} holds no trained model; run stage 8 first")
    recognisers = [model for model in models if is_recogniser(model)]
    translators = [model for model in models if model not in recognisers]
    for model in translators:
        score_translator(model, data, test_sets, tgt)
    notes = [rate for model in recognisers for rate in score_recogniser(model, data, test_sets, src)]
    print(
        report_results(
            translators,
            data=data,
            test_sets=test_sets,
            src=src,
            tgt=tgt,
            out=out,
            title=title,
            command=command,
            baseline=baseline,
            samples=samples,
            notes=notes,
        )
    )


def is_recogniser(model: Path) -> bool:
    """Tell whether a trained model writes transcripts."""
    trained = json.loads((model / "train.json").read_text(encoding="utf-8"))
    return bool(trained.get("settings", {}).get("task") == "asr")


def score_translator(model: Path, data: Path, test_sets: list[str], tgt: str) -> None:
    """Score every test set that a model has decoded, unless it has been scored already."""
    for name in test_sets:
        hyp, ref = text_path(decoded_path(model, name), tgt), text_path(data / name, tgt)
        scores = hyp.with_name("scores.json")
        if hyp.exists() and (not scores.exists() or is_stale(scores, hyp, ref)):
            score_system(hyp, ref, scores, tgt=tgt)


def score_recogniser(model: Path, data: Path, test_sets: list[str], src: str) -> list[str]:
    """Write the word error rate of every test set that a recogniser has decoded; return it in words."""
    rates = []
    for name in test_sets:
        hyp = text_path(decoded_path(model, name), src)
        if hyp.exists():
            found = word_error_rate(hyp, text_path(data / name, src), hyp.with_name("wer.json"))
            rates.append(f"recogniser {model.name}, {name}: {found.verbose}.")
    return rates
