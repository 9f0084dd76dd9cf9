"""Lists of filters: order, comparisons of pairs, counts, data directories, files."""

import json
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_data import read, write_segments, write_speech

from synthst import cli
from synthst.datadir import check_datadir
from synthst.errors import ConfigError, DataError
from synthst.info import read_info
from synthst.speechdir import check_speech
from synthst.tables import write_table
from synthst.targets.filter import (
    Filters,
    FilterSpec,
    Pair,
    describe_filters,
    filter_datadir,
    filter_pairs,
    parse_filters,
    read_filters,
)
from synthst.targets.filters.content import Copy
from synthst.targets.filters.corpus import Duplicates, ScoreQuantile
from synthst.targets.filters.language import Language
from synthst.targets.filters.overlap import Overlap
from synthst.targets.filters.parse import FILTERS
from synthst.targets.filters.shape import CutOff, Empty, Length

CONF = Path(__file__).parent.parent / "conf"


def decide(specs: Sequence[FilterSpec], pairs: Sequence[Pair]) -> tuple[str, dict[str, int]]:
    """Return the ids of what is kept, "u1 u3", and the counts that are not 0."""
    filters = Filters(specs, src="en", tgt="de")
    decided = list(filters.decide(lambda: iter(pairs)))
    assert [pair for pair, _ in decided] == list(pairs)
    counts = {reason: count for reason, count in filters.counts.items() if count}
    return " ".join(pair.id for pair, reason in decided if not reason), counts


def numbered(*texts: str, scores: Sequence[float | None] = ()) -> list[Pair]:
    """Make pairs u0, u1, ... of "source|target"."""
    halves = [text.split("|") for text in texts]
    known = scores or [None] * len(texts)
    return [Pair(f"u{number}", *half, score=known[number]) for number, half in enumerate(halves)]


def test_a_pair_falls_to_the_first_filter_that_drops_it() -> None:
    pairs = numbered("a b c d|A B C D", "|", "a|b", "a b c d e|")
    assert decide([Empty(), Copy(), Length(max_length=4)], pairs) == (
        "u2",
        {"kept": 1, "dropped_empty": 2, "dropped_copy": 1},
    )
    kept, counts = decide([Length(max_length=4), Copy(), Empty()], pairs)
    assert kept == "u2" and counts == {"kept": 1, "dropped_length_tokens": 2, "dropped_copy": 1}


def test_no_filter_keeps_all() -> None:
    assert decide([], numbered("a|b", "|")) == ("u0 u1", {"kept": 2})


def test_one_pass_is_enough_unless_pairs_are_compared() -> None:
    passes = 0

    def pairs() -> Iterator[Pair]:
        nonlocal passes
        passes += 1
        yield Pair("u", "a", "b")

    list(Filters([Empty()], src="en", tgt="de").decide(pairs))
    assert passes == 1
    list(Filters([Empty(), Duplicates()], src="en", tgt="de").decide(pairs))
    assert passes == 3


def test_the_first_of_the_duplicates_that_are_left_is_kept() -> None:
    pairs = numbered("a|b", "a|", "a|b", "b|a", "a|c", "a|b")
    assert decide([Duplicates()], pairs)[0] == "u0 u1 u3 u4"
    assert decide([Duplicates(copies=2)], pairs)[0] == "u0 u1 u2 u3 u4"
    assert decide([Duplicates(by="source")], pairs)[0] == "u0 u3"
    assert decide([Duplicates(by="target")], pairs)[0] == "u0 u1 u3 u4"
    first_dropped = numbered("a|", "a|b", "a|c")
    assert decide([Empty(), Duplicates(by="source")], first_dropped)[0] == "u1"
    assert decide([Duplicates(by="source"), Empty()], first_dropped) == (
        "",
        {"dropped_duplicates_source": 2, "dropped_empty": 1},
    )


@pytest.mark.parametrize(
    ("quantile", "kept"),
    [
        (0.2, "u0 u1 u2 u3 u4"),  # 0.2 * 4 scores: none
        (0.25, "u0 u1 u2 u4"),  # the worst
        (0.5, "u0 u1 u2 u4"),  # two might fall, but the second ties with the third
        (0.75, "u1 u4"),
    ],
)
def test_the_worst_scores_fall_and_what_has_none_is_kept_if_told_so(quantile: float, kept: str) -> None:
    pairs = numbered("a|a", "b|b", "c|c", "d|d", "e|e", scores=[-2.0, -1.0, -2.0, -3.0, None])
    ids, counts = decide([ScoreQuantile(quantile=quantile, unknown="keep")], pairs)
    assert ids == kept and counts["unknown_score_quantile"] == 1


def test_a_quantile_is_one_of_what_earlier_filters_left() -> None:
    pairs = numbered("a|", "b|b", "c|c", "d|d", scores=[-9.0, -3.0, -2.0, -1.0])
    assert decide([Empty(), ScoreQuantile(quantile=0.34)], pairs)[0] == "u2 u3"
    assert decide([ScoreQuantile(quantile=0.34), Empty()], pairs)[0] == "u1 u2 u3"
    doubled = numbered("a|a", "a|a", "b|b", "c|c", scores=[-3.0, -4.0, -2.0, -1.0])
    assert decide([Duplicates(), ScoreQuantile(quantile=0.34)], doubled)[0] == "u2 u3"
    assert decide([ScoreQuantile(quantile=0.25), Duplicates()], doubled)[0] == "u0 u2 u3"


@pytest.mark.parametrize(("spec", "needs"), [(CutOff(), "finished"), (ScoreQuantile(), "score")])
def test_a_filter_that_needs_the_teacher_refuses_plain_pairs(spec: FilterSpec, needs: str) -> None:
    with pytest.raises(ConfigError, match=rf"{spec.name} needs .* of u0 .* \({needs}\).*unknown: keep"):
        decide([spec], numbered("a|b"))


def test_unknown_pairs_that_are_kept_are_counted() -> None:
    pairs = [Pair("u0", "a", "b"), Pair("u1", "a", "b", finished=False), Pair("u2", "a", "b", finished=True)]
    counts = {"kept": 2, "dropped_cut_off": 1, "unknown_cut_off": 1}
    assert decide([CutOff(unknown="keep")], pairs) == ("u0 u2", counts)


def test_pairs_that_change_between_the_passes_are_noticed() -> None:
    sizes = iter([3, 2])
    filters = Filters([Duplicates()], src="en", tgt="de")
    with pytest.raises(DataError, match="3 pairs became 2 while they were filtered"):
        list(filters.decide(lambda: iter(numbered(*["a|b"] * next(sizes)))))


PAIRS = st.lists(
    st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from(["", "a", "b"]), st.integers(-3, 0)),
    max_size=12,
)
STEPS = [Empty(), Duplicates(), Duplicates(by="source"), ScoreQuantile(quantile=0.3), Copy(min_words=1)]


def fall(spec: FilterSpec, pairs: list[Pair]) -> list[str]:
    """Return the ids that fall to one filter of STEPS: what its docstring says, in plain Python."""
    if isinstance(spec, Duplicates):
        texts = [pair[1:3] if spec.by == "pair" else pair.source for pair in pairs]
        return [pair.id for number, pair in enumerate(pairs) if texts[number] in texts[:number]]
    if isinstance(spec, ScoreQuantile):
        scores = sorted(pair.score or 0.0 for pair in pairs)
        return [pair.id for pair in pairs if (pair.score or 0.0) < scores[int(spec.quantile * len(scores))]]
    empty = {pair.id for pair in pairs if not (pair.source and pair.target)}
    copies = {pair.id for pair in pairs if pair.source == pair.target != ""}
    return sorted(empty if isinstance(spec, Empty) else copies)


@settings(max_examples=15, deadline=None)
@given(PAIRS, st.permutations(STEPS))
def test_filters_in_a_list_are_filters_one_after_another(
    texts: list[tuple[str, str, int]], specs: list[FilterSpec]
) -> None:
    pairs = [Pair(f"u{n}", source, target, float(score)) for n, (source, target, score) in enumerate(texts)]
    reasons: dict[str, str] = {}
    for spec in specs:
        left = [pair for pair in pairs if pair.id not in reasons]
        reasons |= dict.fromkeys(fall(spec, left), spec.reason)
    decided = Filters(specs, src="en", tgt="de").decide(lambda: iter(pairs))
    assert {pair.id: reason for pair, reason in decided if reason} == reasons


def test_many_pairs_are_compared_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthst.targets.filters.verdicts._ROWS", 100)
    order = random.Random(0)
    pairs = [Pair(f"u{n}", str(order.randrange(700)), "x", float(order.randrange(50))) for n in range(2000)]
    seen: set[str] = set()
    unique = [pair for pair in pairs if not (pair.source in seen or seen.add(pair.source))]  # type: ignore[func-returns-value]
    threshold = sorted(pair.score or 0.0 for pair in unique)[len(unique) // 10]
    wanted = [pair.id for pair in unique if (pair.score or 0.0) >= threshold]
    specs = [Duplicates(by="source"), ScoreQuantile(quantile=0.1)]
    filters = Filters(specs, src="en", tgt="de", folder=tmp_path)
    assert [pair.id for pair, reason in filters.decide(lambda: iter(pairs)) if not reason] == wanted
    assert list(tmp_path.iterdir()) == []


def test_filters_are_read_from_a_list_and_described_in_full() -> None:
    items = [{"name": "length", "max_length": 9}, {"name": "overlap", "sets": ["a", "b"], "by": "pair"}]
    specs = parse_filters(items)
    assert specs == [Length(max_length=9), Overlap(sets=(Path("a"), Path("b")), by="pair")]
    described = describe_filters(specs)
    assert described[0] == {"name": "length", "unit": "tokens", "min_length": 1, "max_length": 9}
    assert parse_filters(json.loads(json.dumps(described))) == specs


def test_numbers_may_be_written_without_a_point() -> None:
    (spec,) = parse_filters([{"name": "length_ratio", "max_ratio": 9}])
    assert type(spec.max_ratio) is float  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (None, "the filters are None; give a list"),
        ([], "give a list, each with a name"),
        ("empty", "give a list"),
        ({"name": "empty"}, "give a list"),
        (["empty"], "a filter is 'empty'; give its name and options; names are empty, cut_off, length"),
        ([{"nane": "empty"}], "give its name and options"),
        ([{"name": "lenght"}], "there is no filter 'lenght'; give 'length', or one of empty, cut_off"),
        (
            [{"name": "length", "max_lenght": 3}],
            "length has no option 'max_lenght'; give 'max_length', or one of unit, min_",
        ),
        ([{"name": "empty", "unit": "x"}], "empty has no option 'unit'; give none"),
        ([{"name": "length", "max_length": "3"}], "length: max_length is '3'; give a value of type int"),
        ([{"name": "length", "max_length": True}], "give a value of type int"),
        ([{"name": "length", "max_length": 3.5}], "give a value of type int"),
        ([{"name": "length", "unit": "words"}], "length: unit is 'words'; give one of tokens, characters"),
        ([{"name": "overlap", "sets": "dev"}], "overlap: sets is 'dev'; give a list of paths"),
        ([{"name": "length", "max_length": 0}], "filter length: from 1 to 0"),
    ],
)
def test_a_wrong_list_is_refused_with_the_nearest_right_one(items: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_filters(items)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "filters.yaml"
    with pytest.raises(DataError, match=r"filters\.yaml cannot be read: No such file"):
        read_filters(path)
    for content, message in (
        ("- name: [", "is no YAML"),
        ("- name: x\n", "filters.yaml: there is no filter"),
    ):
        path.write_text(content)
        with pytest.raises(ConfigError, match=message):
            read_filters(path)


@pytest.mark.parametrize("name", ["filters_mild", "filters_strict"])
def test_the_files_of_filters_can_be_used(name: str) -> None:
    specs = read_filters(CONF / f"{name}.yaml", held_out=[Path("dev")])
    assert specs[0] == Overlap(sets=(Path("dev"),))
    assert all(spec.unknown == "keep" for spec in specs if isinstance(spec, CutOff | ScoreQuantile))
    assert any(isinstance(spec, Language) for spec in specs) is (name == "filters_strict")


def test_every_filter_has_another_name_and_says_who_found_it_useful() -> None:
    assert len({cls.name for cls in FILTERS.values()}) == 12
    uncited = {"empty", "cut_off"}  # what is not there needs no authority
    for name, cls in FILTERS.items():
        assert name in uncited or any(year in (cls.__doc__ or "") for year in ("199", "20")), name


def write_pairs(directory: Path, *texts: str) -> Path:
    directory.mkdir()
    pairs = numbered(*texts)
    write_table(directory / "text.en", ((pair.id, pair.source) for pair in pairs), allow_empty=True)
    write_table(directory / "text.de", ((pair.id, pair.target) for pair in pairs), allow_empty=True)
    return directory


def test_a_data_directory_is_filtered_counted_and_listed(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data", "a|b", "c|", "a|b", "d|e")
    out = tmp_path / "out"
    filter_pairs(data, out, [Empty(), Duplicates()], src="en", tgt="de")
    assert read(out / "text.en") == "u0 a\nu3 d\n" and read(out / "text.de") == "u0 b\nu3 e\n"
    assert read(out / "dropped.tsv") == "u1\tempty\nu2\tduplicates_pair\n"
    info = read_info(out)
    assert info["counts"] == {"kept": 2, "dropped_empty": 1, "dropped_duplicates_pair": 1}
    assert info["parents"] == [str(data)]
    assert sorted(path.name for path in out.iterdir()) == ["dropped.tsv", "info.json", "text.de", "text.en"]
    assert [summary.rows for summary in check_datadir(out)] == [2, 2]


def test_dropped_pairs_are_written_aside_to_read(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data", "a|b", "c|", "a|b")
    out = tmp_path / "out"
    filter_pairs(data, out, [Empty(), Duplicates()], src="en", tgt="de", keep_dropped=True)
    assert read(out / "dropped" / "text.en") == "u1 c\nu2 a\n"
    assert read(out / "dropped" / "text.de") == "u1\nu2 b\n"
    assert read(out / "dropped" / "pairs.tsv") == "empty\tu1\tc\t\nduplicates_pair\tu2\ta\tb\n"
    check_datadir(out)


def test_speech_and_other_texts_are_kept_with_their_pairs(tmp_path: Path) -> None:
    texts = {"a": "say a b c", "b": "sag b", "c": "say c"}
    data = write_speech(tmp_path / "data", {"a": 0.5, "b": 0.5, "c": 0.5}, texts=texts, tgt=True)
    write_table(data / "text.fr", [("a", "dit a"), ("b", "dit b"), ("c", "dit c")])
    filter_pairs(data, tmp_path / "out", [Copy(min_words=1)], src="en", tgt="de")
    assert read(tmp_path / "out" / "text.fr") == "a dit a\nc dit c\n"
    assert read(tmp_path / "out" / "utt2spk") == "a spk_a\nc spk_c\n"
    assert check_speech(tmp_path / "out").good == 2


def test_only_the_recordings_of_kept_segments_stay(tmp_path: Path) -> None:
    segments = {"a": "r1 0 1", "b": "r2 0 1"}
    data = write_segments(tmp_path / "data", segments, {"r1": "1.wav", "r2": "2.wav"})
    write_table(data / "text.de", [("a", "sag a"), ("b", "say b")])
    filter_pairs(data, tmp_path / "out", [Copy(min_words=1)], src="en", tgt="de")
    assert read(tmp_path / "out" / "segments") == "a r1 0 1\n"
    assert read(tmp_path / "out" / "wav.scp") == "r1 1.wav\n"


def test_an_empty_sentence_that_no_filter_drops_stops(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data", "a|b", "c|")
    with pytest.raises(DataError, match="u1"):
        filter_pairs(data, tmp_path / "out", [Copy()], src="en", tgt="de")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_nothing_kept_and_a_missing_text_are_errors(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data", "a|", "|b")
    with pytest.raises(DataError, match=r"no pair of .* is left \(kept 0, dropped_empty 2\)"):
        filter_pairs(data, tmp_path / "out", [Empty()], src="en", tgt="de")
    with pytest.raises(DataError, match=r"has no text\.fr"):
        filter_pairs(data, tmp_path / "out", [Empty()], src="en", tgt="fr")
    assert not (tmp_path / "out").exists()


def test_a_second_run_does_nothing_and_other_filters_are_refused(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data", "a|b")
    out = tmp_path / "out"
    for _ in range(2):
        filter_pairs(data, out, [Length()], src="en", tgt="de")
    with pytest.raises(DataError, match=r"was made otherwise \(filters: .*250.*then.*99"):
        filter_pairs(data, out, [Length(max_length=99)], src="en", tgt="de")


def test_held_out_sets_go_first_and_are_parents(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data", "Click OK.|", "a|b")
    test_set = write_pairs(tmp_path / "test", "click ok|Klicken Sie auf OK")
    (tmp_path / "filters.yaml").write_text("- name: empty\n")
    out = tmp_path / "out"
    filter_datadir(data, out, src="en", tgt="de", filters=tmp_path / "filters.yaml", held_out=[test_set])
    assert read(out / "dropped.tsv") == "u0\toverlap\n"
    assert read_info(out)["parents"] == [str(data), str(test_set)]


def test_the_command_filters_real_data(tmp_path: Path) -> None:
    loop = " ".join(["mit der Zeile"] * 6)
    data = write_pairs(
        tmp_path / "data",
        "Click the icon.|Klicken Sie auf das Symbol.",
        f"{' '.join(['Click the row.'] * 3)}|{loop}",
    )
    test_set = write_pairs(tmp_path / "test", "Help|Hilfe")
    options = ["--data", str(data), "--out", str(tmp_path / "out"), "--src", "en", "--tgt", "de"]
    options += ["--filters", str(CONF / "filters_mild.yaml"), "--held_out", f"[{test_set}]", "--keep_dropped"]
    assert cli.main(["filter", *options]) == 0
    assert read(tmp_path / "out" / "dropped.tsv") == "u1\trepetition\n"
    counts = read_info(tmp_path / "out")["counts"]
    assert {"kept": 1, "dropped_repetition": 1, "unknown_cut_off": 2}.items() <= counts.items()  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [0, -1])
def test_a_number_of_workers_below_1_is_refused(tmp_path: Path, workers: int) -> None:
    data = write_pairs(tmp_path / "data", "a|b")
    with pytest.raises(ConfigError, match=f"--workers is {workers}; give 1 or more"):
        filter_pairs(data, tmp_path / "out", [Empty()], src="en", tgt="de", workers=workers)
    assert not (tmp_path / "out").exists()


def test_processes_decide_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthst.targets.filters.judge.BATCH", 10)
    order = random.Random(0)
    pairs = [Pair(f"u{n}", *order.choices(["", "a", "b", "c"], k=2), finished=n % 7 > 0) for n in range(205)]
    for specs in ([Empty(), Copy(min_words=1)], [Empty(), CutOff(), Duplicates(copies=9), Copy(min_words=1)]):
        alone, together = (Filters(specs, src="en", tgt="de", workers=workers) for workers in (1, 3))
        wanted = list(alone.decide(lambda: iter(pairs)))
        assert list(together.decide(lambda: iter(pairs))) == wanted
        assert together.counts == alone.counts and 0 < alone.counts["kept"] < len(pairs)


def test_an_error_of_a_process_is_told_as_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthst.targets.filters.judge.BATCH", 10)
    pairs = numbered(*["a|b"] * 40, scores=[1.0] * 39 + [None])
    filters = Filters([ScoreQuantile()], src="en", tgt="de", workers=2)
    with pytest.raises(ConfigError, match=r"score_quantile needs to know of u39 .*unknown: keep"):
        list(filters.decide(lambda: iter(pairs)))


class Deadly(Empty):
    """A filter that kills its process."""

    def test(self, src: str, tgt: str) -> Callable[[Pair], bool]:
        return lambda pair: bool(os.kill(os.getpid(), signal.SIGKILL))


def test_a_killed_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthst.targets.filters.judge.BATCH", 10)
    filters = Filters([Deadly()], src="en", tgt="de", workers=2)
    with pytest.raises(DataError, match="was killed.*with fewer workers"):
        list(filters.decide(lambda: iter(numbered(*["a|b"] * 40))))
