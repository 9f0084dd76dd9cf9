"""No order of shards, no odd character and no duplicate pairs a source with another's translation."""

import random
import tempfile
from pathlib import Path

from fake_teacher import FakeTeacher, reverse, write_data
from hypothesis import given, settings
from hypothesis import strategies as st

from synthst.store import StoreRow, open_store, write_part
from synthst.tables import join_tables
from synthst.targets.expand import expand_targets
from synthst.targets.replace import replace_targets
from synthst.teacher.decode import decode_corpus

ODD = st.sampled_from(
    "aAé\u0301\u2028\u2029\x85\xa0\u200b\ufeff\U0001f600\U0001f468\u200d\"'\\,;|%{}$\u00df\u0130\uffff"
)
CHARACTERS = ODD | st.characters(exclude_categories=["Cs"])
CONTROL = dict.fromkeys([*range(32), 127], " ")
SENTENCES = (
    st.text(CHARACTERS, min_size=1, max_size=12)
    .map(lambda text: text.translate(CONTROL).strip())
    .filter(bool)
)


def pairs(directory: Path) -> list[tuple[str, tuple[str, ...]]]:
    return list(join_tables([directory / "text.en", directory / "text.de"]))


@settings(max_examples=15, deadline=None)
@given(st.lists(SENTENCES, min_size=1, max_size=40), st.integers(1, 5), st.randoms(use_true_random=False))
def test_every_utterance_gets_the_translation_of_its_own_source(
    sources: list[str], part_sentences: int, order: random.Random
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = write_data(folder / "data", sources)
        others = write_data(folder / "others", order.sample(sources, len(sources)))
        teacher = FakeTeacher()
        half = write_data(folder / "half", sources[: len(sources) // 2 + 1])
        for part in (half, others):
            store = decode_corpus(teacher, part, folder / "store", src="en", part_sentences=part_sentences)
        assert sorted(teacher.asked) == sorted(set(sources))
        replace_targets(data, store, folder / "out", src="en", tgt="de")
        assert pairs(folder / "out") == [
            (f"u{number:06d}", (source, reverse(source))) for number, source in enumerate(sources)
        ]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(SENTENCES, min_size=1, max_size=6, unique=True), min_size=1, max_size=4))
def test_overlapping_parts_in_any_order_pair_right(parts: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = []
        for store, ordered in ((folder / "forth", parts), (folder / "back", parts[::-1])):
            open_store(store, {"name": "fake"}, {})
            for version, part in enumerate(ordered):
                number = version if ordered is parts else len(parts) - 1 - version
                write_part(store, (StoreRow(s, 0, f"{reverse(s)} {number}", 0.0, 1, True) for s in part))
            data = write_data(folder / f"{store.name}_data", [s for part in parts for s in part])
            replace_targets(data, store, folder / f"{store.name}_out", src="en", tgt="de")
            found.append(pairs(folder / f"{store.name}_out"))
        assert found[0] == found[1]
        assert all(target.rpartition(" ")[0] == reverse(source) for _, (source, target) in found[0])


@settings(max_examples=6, deadline=None)
@given(st.lists(SENTENCES, min_size=2, max_size=10), st.integers(1, 3))
def test_expansion_pairs_right(sources: list[str], part_sentences: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = write_data(folder / "data", sources)
        store = decode_corpus(FakeTeacher(), data, folder / "store", src="en", part_sentences=part_sentences)
        replace_targets(data, store, folder / "base", src="en", tgt="de")
        expand_targets(folder / "base", data, store, folder / "out", src="en", tgt="de", prefix="mono_")
        expanded = pairs(folder / "out")
        assert [values[0] for _, values in expanded] == sources * 2
        assert all(target == reverse(source) for _, (source, target) in expanded)
