"""Score translations by id with sacreBLEU, and test the difference of two systems for significance."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest, Result

from synthst.atomic import atomic_file
from synthst.errors import ConfigError, DataError
from synthst.tables import join_tables

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MetricScore:
    """One number with the signature that says how it was made.

    ``score`` is in 0..100; ``verbose`` is sacreBLEU's own line, as it can be cited.
    """

    name: str
    score: float
    signature: str
    verbose: str


@dataclass(frozen=True)
class SystemScores:
    """The scores of one system on one test set.

    ``length_ratio`` is all hypothesis tokens over all reference tokens, as BLEU counts them.
    ``sentence_scores`` maps an id to its BLEU (effective order) and chrF2, both in 0..100;
    ``sentence_signatures`` are theirs, in that order.
    """

    metrics: tuple[MetricScore, ...]
    sentences: int
    empty_hypotheses: int
    empty_references: int
    length_ratio: float
    sentence_scores: dict[str, tuple[float, float]]
    sentence_signatures: tuple[str, str]


@dataclass(frozen=True)
class Comparison:
    """One system against a baseline on one metric, by paired bootstrap resampling.

    ``mean`` and ``ci`` are the mean over the resamples and half the width of its 95 % interval.
    ``p_value`` is two-sided; it is 1 when the two scores are exactly equal.
    """

    metric: str
    signature: str
    baseline: Path
    baseline_score: float
    baseline_mean: float
    baseline_ci: float
    system: Path
    score: float
    mean: float
    ci: float
    p_value: float
    resamples: int
    seed: int

    @property
    def delta(self) -> float:
        """Return the system's score minus the baseline's."""
        return self.score - self.baseline_score


def score_system(
    hyp: Path, refs: Path | Sequence[Path], out: Path, *, tgt: str, tokenize: str | None = None
) -> SystemScores:
    """Score table ``hyp`` against ``refs`` by id; write ``out`` (scores.json) and sentences.tsv beside it.

    The text is scored as it stands. BLEU's tokenizer is sacreBLEU's default for language ``tgt``
    (13a, but zh, ja-mecab and ko-mecab for zh, ja and ko) unless ``tokenize`` names another.
    An empty hypothesis or reference is scored and counted.
    Raises DataError when a table lacks an id that another has.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    reference_paths = _paths(refs)
    ids, columns = _read_columns([hyp, *reference_paths])
    scores = _score_columns(ids, columns[0], columns[1:], tgt=tgt, tokenize=tokenize)
    _write_sentences(out.with_name("sentences.tsv"), scores.sentence_scores)
    _write_scores(out, scores, hyp, reference_paths, tgt)
    listed = ", ".join(f"{metric.name} {metric.score:.2f}" for metric in scores.metrics)
    logger.info(
        "%s: %s on %d sentences (%d hypotheses and %d references are empty)",
        hyp,
        listed,
        scores.sentences,
        scores.empty_hypotheses,
        scores.empty_references,
    )
    return scores


def compare_systems(
    baseline: Path,
    others: Sequence[Path],
    refs: Path | Sequence[Path],
    *,
    tgt: str,
    tokenize: str | None = None,
    resamples: int = 1000,
    seed: int = 12345,
) -> list[Comparison]:
    """Compare each of ``others`` with ``baseline`` by sacreBLEU's paired bootstrap, in BLEU and chrF2.

    Returns BLEU then chrF2 for the first of ``others``, then for the second, and so on.
    Needs about 75 kB of memory for each sentence and 1,000 resamples.
    """
    if resamples < 1:
        raise ConfigError(f"resamples must be 1 or more, not {resamples}")
    if not others:
        return []
    _, columns = _read_columns([baseline, *others, *_paths(refs)])
    hyps, references = columns[: 1 + len(others)], columns[1 + len(others) :]
    metrics = {"BLEU": _bleu(tgt, tokenize, references), "chrF2": CHRF(references=references)}
    with _seeded(seed):
        test = PairedTest([(str(n), hyp) for n, hyp in enumerate(hyps)], metrics, None, "bs", resamples)
        signatures, results = test()
    comparisons = []
    for number, system in enumerate(others, start=1):
        for name in metrics:
            pair = results[name][0], results[name][number]
            comparison = _comparison(
                name, str(signatures[name]), (baseline, system), pair, resamples=resamples, seed=seed
            )
            comparisons.append(comparison)
    return comparisons


def read_metrics(scores: Path) -> list[MetricScore]:
    """Read the metrics of a scores.json; raise DataError when it is not one."""
    return _read_scores(scores)[0]


def is_stale(scores: Path, hyp: Path, refs: Path | Sequence[Path]) -> bool:
    """Return whether a file that exists differs from the one that ``scores`` was made from."""
    checksums = _read_scores(scores)[1]
    paths = [hyp, *_paths(refs)]
    if len(paths) != len(checksums):
        return True
    pairs = zip(paths, checksums, strict=True)
    return any(path.is_file() and _describe(path)["sha256"] != checksum for path, checksum in pairs)


def _read_scores(scores: Path) -> tuple[list[MetricScore], list[str]]:
    """Return the metrics, and the checksums of the hypotheses and of every reference table."""
    try:
        content = json.loads(scores.read_text(encoding="utf-8"))
        metrics = [MetricScore(**metric) for metric in content["metrics"]]
        return metrics, [entry["sha256"] for entry in [content["hypotheses"], *content["references"]]]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{scores} is not a file of scores ({error!r}); score the test set again") from error


def _paths(refs: Path | Sequence[Path]) -> list[Path]:
    paths = [refs] if isinstance(refs, Path) else list(refs)
    if not paths:
        raise ConfigError("scoring needs one table of references or more, none was given")
    return paths


def _read_columns(paths: Sequence[Path]) -> tuple[list[str], list[list[str]]]:
    """Return the ids that all tables share, and each table's values in that order."""
    rows = list(join_tables(paths, allow_empty=True))
    if not rows:
        raise DataError(f"{paths[0]} holds no sentence to score; decode the test set again")
    return [row[0] for row in rows], [list(column) for column in zip(*(row[1] for row in rows), strict=True)]


def _bleu(
    tgt: str, tokenize: str | None, references: list[list[str]] | None, *, effective_order: bool = False
) -> BLEU:
    """Build BLEU with the tokenizer for ``tgt``; "zh_TW" counts as "zh"."""
    if tokenize is not None and tokenize not in BLEU.TOKENIZERS:
        raise ConfigError(f"unknown tokenizer {tokenize!r}; sacreBLEU has {', '.join(BLEU.TOKENIZERS)}")
    language = tgt.replace("_", "-").split("-")[0].lower()
    try:
        return BLEU(
            tokenize=tokenize, trg_lang=language, references=references, effective_order=effective_order
        )
    except (RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"sacreBLEU cannot load its tokenizer for {tgt!r}: {reason}") from error


def _score_columns(
    ids: list[str], hyps: list[str], references: list[list[str]], *, tgt: str, tokenize: str | None
) -> SystemScores:
    bleu, chrf = _bleu(tgt, tokenize, references), CHRF(references=references)
    corpus_bleu = bleu.corpus_score(hyps, None)
    metrics = []
    for metric, score in ((bleu, corpus_bleu), (chrf, chrf.corpus_score(hyps, None))):
        signature = str(metric.get_signature())
        verbose = score.format(width=2, signature=signature)
        metrics.append(MetricScore(score.name, float(score.score), signature, verbose))
    sentence_bleu = _bleu(tgt, tokenize, None, effective_order=True)
    sentence_scores = {
        id_: (sentence_bleu.sentence_score(hyp, row).score, chrf.sentence_score(hyp, row).score)
        for id_, hyp, row in zip(ids, hyps, zip(*references, strict=True), strict=True)
    }
    return SystemScores(
        metrics=tuple(metrics),
        sentences=len(ids),
        empty_hypotheses=hyps.count(""),
        empty_references=sum(column.count("") for column in references),
        length_ratio=float(corpus_bleu.ratio),
        sentence_scores=sentence_scores,
        sentence_signatures=(str(sentence_bleu.get_signature()), str(chrf.get_signature())),
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let sacreBLEU draw its resamples with ``seed``; it reads SACREBLEU_SEED and takes 0 for no seed."""
    if seed < 1:
        raise ConfigError(f"the seed of the paired bootstrap must be 1 or more, not {seed}")
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SACREBLEU_SEED"]
        else:
            os.environ["SACREBLEU_SEED"] = before


def _comparison(
    metric: str,
    signature: str,
    paths: tuple[Path, Path],
    results: tuple[Result | str, Result | str],
    *,
    resamples: int,
    seed: int,
) -> Comparison:
    """Copy sacreBLEU's results; its p of equal systems, 1 / (resamples + 1), becomes 1."""
    baseline, system = results
    assert isinstance(baseline, Result) and isinstance(system, Result)
    assert baseline.mean is not None and baseline.ci is not None
    assert system.mean is not None and system.ci is not None and system.p_value is not None
    return Comparison(
        metric=metric,
        signature=signature,
        baseline=paths[0],
        baseline_score=float(baseline.score),
        baseline_mean=float(baseline.mean),
        baseline_ci=float(baseline.ci),
        system=paths[1],
        score=float(system.score),
        mean=float(system.mean),
        ci=float(system.ci),
        p_value=1.0 if system.score == baseline.score else float(system.p_value),
        resamples=resamples,
        seed=seed,
    )


def _write_sentences(out: Path, sentence_scores: Mapping[str, tuple[float, float]]) -> None:
    lines = [f"{id_}\t{bleu:.4f}\t{chrf:.4f}\n" for id_, (bleu, chrf) in sentence_scores.items()]
    with atomic_file(out) as file:
        file.write(("id\tBLEU\tchrF2\n" + "".join(lines)).encode())


def _write_scores(out: Path, scores: SystemScores, hyp: Path, refs: Sequence[Path], tgt: str) -> None:
    content = asdict(scores)
    del content["sentence_scores"]
    content |= {"tgt": tgt, "hypotheses": _describe(hyp), "references": [_describe(path) for path in refs]}
    with atomic_file(out) as file:
        file.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _describe(path: Path) -> dict[str, object]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": digest}
