"""The command `synthst topk`: BLEU against k in top-k sampling (the paper's Figure 3)."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from math import nan
from pathlib import Path
from statistics import mean, stdev

from matplotlib.figure import Figure

from synthst.analysis.audio import read_utterances
from synthst.analysis.models import check_reads, name_models
from synthst.analysis.plots import Cell, add_legend, beside, draw_line, label_axes, new_figure, save_figure
from synthst.datadir import new_directory, text_path
from synthst.dump import read_dump
from synthst.errors import ConfigError
from synthst.espnet.options import SearchOptions
from synthst.espnet.settings import describe_weights
from synthst.info import is_made, read_info, write_info
from synthst.score import is_stale, read_metrics, score_system
from synthst.tables import read_table, write_table
from synthst.teacher.protocol import SearchSettings, decode_name

logger = logging.getLogger(__name__)

HEADER = ("model", "label", "k", "bleu", "deviation", "least", "greatest", "seeds", "percent")

Scores = dict[int, list[float]]  # by k, a BLEU for each seed
Translate = Callable[[SearchSettings], dict[str, str]]


@dataclass(frozen=True)
class TestSet:
    """What is translated, and with what it is compared; ``audio`` is the dump of speech, None for text."""

    data: Path
    audio: Path | None
    src: str
    tgt: str


def topk(
    models: list[Path],
    data: Path,
    out: Path,
    *,
    src: str,
    tgt: str,
    audio: Path | None = None,
    ks: list[int] = [1, 2, 5, 10, 20, 50],  # noqa: B006 (never changed)
    seeds: list[int] = [0, 1, 2],  # noqa: B006
    search: SearchSettings = SearchSettings(),  # noqa: B008 (frozen)
    batch_seconds: float = 120.0,
    ngpu: int = 0,
    title: str = "",
) -> None:
    """Translate the test set ``data`` by sampling each token among the k likeliest, and plot BLEU against k.

    Tokens are drawn by their probabilities, scaled to add up to 1 among the k (Fan, Lewis and Dauphin, 2018),
    once with each of ``seeds``; k = 1 leaves no choice and is done once. A point is the mean over the seeds,
    its bar the sample's standard deviation: it tells of the drawing, not of another training or test set. A
    second panel has each model's BLEU in percent of its own at the smallest k.
    ``search`` gives temperature and length limits.

    Translations and scores are kept in <model>/analysis/sampled_<name of data>: a run that was stopped goes
    on. A speech translator reads ``audio``, the dump of the set. ``out``.png, .svg and .csv are written.
    """
    if not ks or not seeds or min(ks) < 1 or len(set(ks)) < len(ks) or len(set(seeds)) < len(seeds):
        raise ConfigError(f"--ks {ks} --seeds {seeds}; give one or more of both, each once, and k above 0")
    for model in models:
        check_reads(model, audio)
    test, names = TestSet(data, audio, src, tgt), name_models(models)
    found: dict[str, Scores] = {}
    for model, name in zip(models, names, strict=True):
        translate = _translator(model, test, batch_seconds, "cuda" if ngpu else "cpu")
        found[name] = {k: _score_k(model, test, k, seeds, search, translate) for k in sorted(ks)}
        print(describe_scores(name, found[name]))
    named = zip(models, names, strict=True)
    rows = [[str(model), *row] for model, name in named for row in make_rows(name, found[name])]
    save_figure(draw_scores(found, title), out, rows, HEADER)
    logger.info("%s: %d models, %d values of k", beside(out, "png"), len(models), len(ks))


def make_rows(name: str, by_k: Scores) -> list[list[Cell]]:
    """Return a row of numbers for each k, in the order of HEADER from its second column on."""
    base = mean(by_k[min(by_k)])
    return [
        [name, k, *summarise(scores), 100 * mean(scores) / base if base else None]
        for k, scores in by_k.items()
    ]


def draw_scores(found: Mapping[str, Scores], title: str = "") -> Figure:
    """Draw a line for each model, from its scores by k: above in BLEU, below in percent of its first."""
    figure, (upper, lower) = new_figure(2, title=title)
    for number, (name, by_k) in enumerate(found.items()):
        deviations = [stdev(scores) if len(scores) > 1 else 0.0 for scores in by_k.values()]
        means = [mean(scores) for scores in by_k.values()]
        percent = 100 / means[0] if means[0] else nan
        draw_line(upper, list(by_k), means, number=number, label=name, deviation=deviations)
        draw_line(
            *(lower, list(by_k), [percent * score for score in means]),
            number=number,
            deviation=[percent * deviation for deviation in deviations],
        )
    ks = sorted({k for by_k in found.values() for k in by_k})
    for axes in (upper, lower):
        axes.set_xscale("log")
        axes.set_xticks(ks, list(map(str, ks)))
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
    label_axes(upper, y="BLEU")
    label_axes(lower, x="k (likeliest tokens to draw from)", y=f"BLEU, percent of that at k = {ks[0]}")
    add_legend(upper)
    return figure


def describe_scores(name: str, by_k: Scores) -> str:
    """Say the means and how far they fall."""
    means = {k: mean(scores) for k, scores in by_k.items()}
    told = ", ".join(f"k={k} {score:.1f}" for k, score in means.items())
    return f"{name}: BLEU {told}; from first to last {means[max(means)] - means[min(means)]:+.1f}"


def summarise(scores: list[float]) -> list[Cell]:
    """Return mean, standard deviation of a sample (None for a single score), least, greatest and number."""
    deviation = stdev(scores) if len(scores) > 1 else None
    return [mean(scores), deviation, min(scores), max(scores), len(scores)]


def _score_k(
    model: Path, test: TestSet, k: int, seeds: list[int], search: SearchSettings, translate: Translate
) -> list[float]:
    """Return a BLEU for every seed."""
    drawn = [replace(search, beam=SearchSettings().beam, nbest=1, top_k=k, seed=seed) for seed in seeds]
    return [_score_sample(model, test, settings, translate) for settings in drawn[: None if k > 1 else 1]]


def _score_sample(model: Path, test: TestSet, settings: SearchSettings, translate: Translate) -> float:
    """Translate and score the test set, unless it has been done before."""
    folder = model / "analysis" / f"sampled_{test.data.name}" / decode_name(settings)
    made_by = _made_by(model, test, settings)
    if not is_made(folder, made_by):
        found = translate(settings)
        with new_directory(folder) as temporary:
            write_table(text_path(temporary, test.tgt), sorted(found.items()), allow_empty=True)
            write_info(temporary, made_by, parents=[model, test.data])
    hyp, ref, scores = (
        text_path(folder, test.tgt),
        text_path(test.data, test.tgt),
        folder / "scores.json",
    )
    if not scores.exists() or is_stale(scores, hyp, ref):
        score_system(hyp, ref, scores, tgt=test.tgt)
    return next(metric.score for metric in read_metrics(scores) if metric.name == "BLEU")


def _made_by(model: Path, test: TestSet, settings: SearchSettings) -> dict[str, object]:
    made_by: dict[str, object] = {"step": "topk", "weights_sha256": describe_weights(model)}
    made_by["search"] = asdict(settings)
    if test.audio is not None:
        return made_by | {"audio": {"path": str(test.audio), "made_by": read_info(test.audio)["made_by"]}}
    text = text_path(test.data, test.src)
    return made_by | {"data": str(test.data), "sha256": hashlib.sha256(text.read_bytes()).hexdigest()}


def _translator(model: Path, test: TestSet, batch_seconds: float, device: str) -> Translate:
    """Return a function that translates the test set; the model is loaded when it is first called."""
    loaded = None

    def translate(settings: SearchSettings) -> dict[str, str]:
        nonlocal loaded
        loaded = loaded or _load(model, test, batch_seconds, device)
        return dict(loaded(SearchOptions(**asdict(settings))))

    return translate


def _load(
    model: Path, test: TestSet, batch_seconds: float, device: str
) -> Callable[[SearchOptions], Iterator[tuple[str, str]]]:
    return (
        _load_text(model, test, device)
        if test.audio is None
        else _load_speech(model, test.audio, batch_seconds, device)
    )


def _load_text(
    model: Path, test: TestSet, device: str
) -> Callable[[SearchOptions], Iterator[tuple[str, str]]]:
    from synthst.espnet.load import load_model  # torch takes seconds to load
    from synthst.espnet.translate import translate_sentences

    trained = load_model(model, device=device)
    rows = list(read_table(text_path(test.data, test.src)))

    def translate(options: SearchOptions) -> Iterator[tuple[str, str]]:
        found = translate_sentences(trained, [source for _, source in rows], options)
        yield from ((key, best[0].text) for (key, _), best in zip(rows, found, strict=True))

    return translate


def _load_speech(
    model: Path, audio: Path, batch_seconds: float, device: str
) -> Callable[[SearchOptions], Iterator[tuple[str, str]]]:
    from synthst.espnet.speech_load import load_speech_model
    from synthst.espnet.speech_search import search_speech

    trained, dump = load_speech_model(model, device=device), read_dump(audio)

    def translate(options: SearchOptions) -> Iterator[tuple[str, str]]:
        found = search_speech(
            trained.model, read_utterances(dump), options, rate=dump.rate, batch_seconds=batch_seconds
        )
        decode = trained.tgt_tokenizer.decode
        yield from ((one.utterance, decode(one.hypotheses[0].tokens)) for one in found)

    return translate
