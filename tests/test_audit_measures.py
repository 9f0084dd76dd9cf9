"""What the audit measures: words, repetition, copies, diversity, alignment, entropy, numbers."""

import math

import numpy as np
import pytest

from synthst.audit.aligner import align_words, count_cells
from synthst.audit.complexity import choose_aligned, measure_complexity
from synthst.audit.diversity import count_distinct, find_overuse, measure_diversity, moving_type_token_ratio
from synthst.audit.histograms import _count, _edges
from synthst.audit.numbers import show_change, show_difference, show_number, show_percent
from synthst.audit.pairs import copied_share, in_processes, measure_agreement, measure_ratio, repetition
from synthst.audit.words import split_words
from synthst.audit.worst import mark_new


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Click “OK”.", ["Click", "“", "OK", "”", "."]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # combining vowel signs are no punctuation
        ("日本語ABC", ["日", "本", "語", "ABC"]),
        ("a\u2028b\u0085c", ["a", "b", "c"]),
    ],
)
def test_words_are_split_at_blanks_and_punctuation_in_any_script(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_repetition_is_the_share_of_8_grams_that_came_before() -> None:
    assert repetition("short") == 0.0
    assert repetition("abcdefghij") == 0.0
    assert repetition("6" * 17) == 0.9  # 10 8-grams, 1 of them different
    assert repetition("abcdefghabcdefgh") == pytest.approx(1 / 9)  # 9 8-grams, the last is the first


def test_copies_are_words_of_the_source_but_not_numbers_nor_a_single_name() -> None:
    assert copied_share(["Open", "file", "7"], ["open", "FILE", "7", "!"]) == 1.0
    assert copied_share(["Open", "file"], ["Öffne", "file"]) == 0.5
    assert copied_share(["LibreOffice"], ["LibreOffice", "."]) == 0.0


def test_agreement_is_the_same_in_one_process_and_in_several() -> None:
    synthetic, real = ["Guten Tag.", "", "ab"] * 1000, ["Guten Abend.", "x", "ab"] * 1000
    alone = measure_agreement(synthetic, real)
    assert alone[1:3].tolist() == [0.0, 100.0]
    assert (measure_agreement(synthetic, real, workers=2) == alone).all()
    assert in_processes(measure_ratio, ["ab"] * 5000, ["a"] * 5000, workers=2).tolist() == [0.5] * 5000


def test_distinct_n_grams_do_not_cross_sentences() -> None:
    words, lengths = np.array([0, 1, 0, 1, 0, 1, 2]), np.array([4, 3])
    # bigrams 01 10 01 | 01 12: 3 of 5; trigrams 010 101 | 012: 3 of 3; 4-grams 0101: 1 of 1
    assert count_distinct(words, lengths) == {1: 3 / 7, 2: 3 / 5, 3: 1.0, 4: 1.0}
    assert count_distinct(np.array([5]), np.array([1])) == {1: 1.0, 2: 0.0, 3: 0.0, 4: 0.0}


def test_type_token_ratio_is_the_mean_over_windows() -> None:
    assert moving_type_token_ratio([1, 1, 2, 3], window=2) == (0.5 + 1 + 1) / 3
    assert moving_type_token_ratio([1, 1, 2], window=5) == 2 / 3
    assert measure_diversity([["a", "b"], ["a"]]).types == 2


def test_overuse_lists_what_differs_beyond_chance_and_ignores_case_and_punctuation() -> None:
    real = [["Das", "ist", "gut", "."]] * 500
    synthetic = [["das", "ist", "gut", "."]] * 400 + [["die", "die", "die", "!"]] * 100
    found = find_overuse(real, synthetic)
    assert [word.word for word in found["over"]] == ["die"]
    assert (found["over"][0].real, found["over"][0].synthetic) == (0, 300)
    assert {word.word for word in found["under"]} <= {"das", "ist", "gut"}
    assert find_overuse(real, real) == {"over": [], "under": []}


def test_the_aligner_is_ibm_model_1() -> None:
    """Compare with the plain loops of the textbook, on the textbook's example (Koehn 2010, section 4.2)."""
    sources = [["das", "Haus"], ["das", "Buch"], ["ein", "Buch"]]
    targets = [["the", "house"], ["the", "book"], ["a", "book"]]
    pairs = [(["", *source], target) for source, target in zip(sources, targets, strict=True)]
    t = {(x, y): 0.25 for source, target in pairs for x in source for y in target}
    for _ in range(5):
        counts = dict.fromkeys(t, 0.0)
        for source, target in pairs:
            for y in target:
                for x in source:
                    counts[x, y] += t[x, y] / sum(t[other, y] for other in source)
        total = {x: sum(count for (other, _), count in counts.items() if other == x) for x, _ in t}
        t = {(x, y): count / total[x] for (x, y), count in counts.items()}
    bits = [
        sum(-math.log2(sum(t[x, y] for x in source) / len(source)) for y in target) / len(target)
        for source, target in pairs
    ]
    aligned = align_words(sources, targets)
    assert aligned.bits.tolist() == pytest.approx(bits)
    best = [max(source, key=lambda x: t[x, y]) for source, target in pairs for y in target]
    numbers = {word: n for n, word in enumerate(dict.fromkeys(w for source, _ in pairs for w in source))}
    assert aligned.sources.tolist() == [numbers[x] for x in best if x]


def test_conditional_entropy_counts_how_many_translations_a_word_has() -> None:
    """Each source has one word, so links are certain: "a" has 2 translations alike often, "b" has one."""
    sources = [["a"]] * 40 + [["b"]] * 60
    targets = [["x"]] * 20 + [["y"]] * 20 + [["z"]] * 60
    measured = measure_complexity(sources, targets)
    assert measured.by_type == pytest.approx((1 + 0) / 2)
    assert measured.by_token == pytest.approx(0.4 * 1 + 0.6 * 0)
    same = measure_complexity(sources, [["x"]] * 40 + [["z"]] * 60)
    assert (same.by_type, same.by_token) == (0.0, 0.0)


def test_the_aligner_sees_no_more_pairs_than_fit_into_its_memory() -> None:
    sources, targets = [["a"] * 9] * 10, [["b"] * 5] * 10
    assert count_cells(sources, targets).tolist() == [50] * 10
    assert choose_aligned(sources, [targets], max_cells=149) == 2
    assert choose_aligned(sources, [targets, [["b"] * 10] * 10], max_cells=300) == 3
    assert choose_aligned(sources, [targets], max_cells=1) == 1
    assert count_cells([["a"] * 5000], [["b"] * 5000]).tolist() == [201 * 200]
    assert align_words([["a"] * 5000], [["b"] * 5000]).bits.shape == (1,)


def test_histograms_hold_every_pair_and_the_outermost_bins_what_is_beyond() -> None:
    values = {"real": np.arange(1000.0), "synthetic": np.array([*np.arange(999.0), 1e9])}
    edges = _edges(values, 1.0)
    histogram = _count("k", "t", "e", "u", values, edges)
    assert len(edges) - 1 <= 26
    assert {side: sum(counts) for side, counts in histogram.counts.items()} == {
        "real": 1000,
        "synthetic": 1000,
    }
    one = {"synthetic": np.array([3.0])}
    assert sum(_count("k", "t", "e", "u", one, _edges(one, 0.1)).counts["synthetic"]) == 1


def test_words_that_the_reference_lacks_are_marked() -> None:
    assert mark_new("die die Datei", "Die Datei") == [("die ", False), ("die ", True), ("Datei", False)]
    assert mark_new("neu", None) == [("neu", False)]
    assert "".join(text for text, _ in mark_new("a  <b>\u2028c", "x")) == "a  <b>\u2028c"


def test_numbers_are_written_for_people() -> None:
    assert show_percent(0) == "0\u202f%"
    assert show_percent(0.0004) == "0.04\u202f%"
    assert show_number(None, "count") == "–"
    assert show_number(12345, "count") == "12,345"
    assert show_number(-1.155, "decimal") == "\u22121.16"
    assert show_change(6812, 2752) == "\u221260\u202f%"
    assert show_difference(0.011, 0.076, "percent") == "+6.5\u202fpp"
    assert show_difference(0.5, 0.5, "percent") == "±0"
    assert show_difference(None, 1.0, "points") == ""
