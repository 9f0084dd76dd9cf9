"""IWSLT's test sets: references by talk, speech apart, both with the talk of each line."""

from pathlib import Path

import pytest
from toy_dump import table
from toy_iwslt import write_iwslt

from synthst.corpora.iwslt import list_files, prepare_iwslt, read_documents
from synthst.errors import DataError
from synthst.info import read_info
from synthst.speechtables import read_utterances

TALKS = {767: [("One & two", "Eins & zwei"), ("Three", "Drei"), ("Four", "Vier")], 9: [("Five", "Fünf")]}


def prepare(tmp_path: Path, **more: object) -> Path:
    out = tmp_path / "tst2010"
    prepare_iwslt(tmp_path, out, set_name="tst2010", **more)  # type: ignore[arg-type]
    return out


def test_references_and_segments_are_two_directories_that_share_talks(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    out = prepare(tmp_path, bounds={"tst2010": [4, 4]})
    assert table(out, "text.en") == {
        "tst2010_767_00001": "One & two",
        "tst2010_767_00002": "Three",
        "tst2010_767_00003": "Four",
        "tst2010_9_00001": "Five",
    }
    assert list(table(out, "text.de").values()) == ["Eins & zwei", "Drei", "Vier", "Fünf"]
    assert list(table(out, "utt2doc").values()) == ["767", "767", "767", "9"]
    speech = tmp_path / "tst2010_segments"
    # letters: One & two 6, Three 5, Four 4, Five 4; a segment has two sentences, 0.1 s of silence before each
    assert table(speech, "segments") == {
        "tst2010_767_000000100_000000750": "tst2010.en.talkid767 0.100000 0.750000",
        "tst2010_767_000000850_000001050": "tst2010.en.talkid767 0.850000 1.050000",
        "tst2010_9_000000100_000000300": "tst2010.en.talkid9 0.100000 0.300000",
    }
    assert list(table(speech, "utt2doc").values()) == ["767", "767", "9"]
    assert [one.speaker for one in read_utterances(speech)] == ["767", "767", "9"]
    assert read_info(speech)["counts"] == {"read": 3, "kept": 3}


def test_a_second_call_makes_nothing_and_one_that_was_stopped_goes_on(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    out = prepare(tmp_path)
    before = (tmp_path / "tst2010_segments/segments").stat().st_ino
    for path in out.iterdir():
        path.unlink()
    out.rmdir()
    prepare(tmp_path)
    assert (out / "text.de").is_file()
    assert (tmp_path / "tst2010_segments/segments").stat().st_ino == before


def test_bounds_refuse_a_set_before_any_of_it_is_made_and_may_be_widened(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    with pytest.raises(DataError, match=r"IWSLT.tst2010: the test set tst2010 has 4 .*, wanted are 5 to 6"):
        prepare(tmp_path, bounds={"tst2010": [5, 6]})
    assert not list(tmp_path.glob("tst2010*"))
    prepare(tmp_path, bounds={"tst2010": [4, 6]})
    prepare(tmp_path, bounds={"tst2010": [4, 6], "tst2013": [1, 2]})  # another set's are not its own


def test_lines_that_one_language_lacks_are_dropped_and_counted(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", {1: [("One", "Eins"), ("Two", ""), ("Three", "Drei")]})
    out = prepare(tmp_path)
    assert table(out, "text.en") == {"tst2010_1_00001": "One", "tst2010_1_00003": "Three"}
    assert read_info(out)["counts"] == {"kept": 2, "dropped_empty": 1}


def test_languages_with_other_lines_stop(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    path = tmp_path / "IWSLT.tst2010/IWSLT.TED.tst2010.en-de.de.xml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('<seg id="3"> Vier </seg>\n', ""), encoding="utf-8")
    with pytest.raises(DataError, match=r"the document 767 has 3 segments in en, 2 in de"):
        prepare(tmp_path)


def test_a_talk_without_speech_and_speech_without_a_talk_stop(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    path = tmp_path / "IWSLT.tst2010/IWSLT.TED.tst2010.en-de.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(DataError, match=r"has no segment of the talks 9;"):
        prepare(tmp_path)
    path.write_text("".join(lines).replace("talkid9", "talkid8"), encoding="utf-8")
    with pytest.raises(DataError, match=r"talkid8.wav is of no document of the references: \['767', '9'\]"):
        prepare(tmp_path)
    assert not (tmp_path / "tst2010_segments").exists() and not (tmp_path / "tst2010").exists()


def test_a_set_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"download IWSLT-SLT.tst2010.en-de.tgz, .*iwslt.org/2022/offline"):
        prepare(tmp_path)


def test_a_set_without_references_is_to_be_left_out(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    (tmp_path / "IWSLT.tst2010/IWSLT.TED.tst2010.en-de.de.xml").unlink()
    with pytest.raises(
        DataError, match=r"en-de.de.xml is missing; .* or leave the set out of --iwslt, if its"
    ):
        prepare(tmp_path)


def test_lectures_are_joined_by_their_numbers(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", {1: TALKS[767], 12: TALKS[9]}, talk_name="lecture{:04d}")
    out = prepare(tmp_path)
    assert list(table(out, "utt2doc").values()) == ["lecture0001"] * 3 + ["lecture0012"]
    assert list(table(tmp_path / "tst2010_segments", "segments")) == [
        "tst2010_lecture0001_000000100_000000750",
        "tst2010_lecture0001_000000850_000001050",
        "tst2010_lecture0012_000000100_000000300",
    ]


@pytest.mark.parametrize(
    "name", ["IWSLT.TED.{}.yaml", "{}.yaml", "test-db.yaml", "test-db-{}.yaml", "IWSLT.TED.{}.en-de.yaml"]
)
def test_the_list_of_segments_may_have_one_of_several_names(tmp_path: Path, name: str) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS, list_name=name)
    prepare(tmp_path)
    assert len(table(tmp_path / "tst2010_segments", "segments")) == 3
    assert all(path.exists() for path in list_files(tmp_path, "tst2010", ("en", "de")))


def test_several_lists_of_segments_and_none_stop(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    path = tmp_path / "IWSLT.tst2010/IWSLT.TED.tst2010.en-de.yaml"
    (path.with_name("test-db.yaml")).write_bytes(path.read_bytes())
    with pytest.raises(
        DataError, match=r"has 2 lists of segments: IWSLT.TED.tst2010.en-de.yaml, test-db.yaml"
    ):
        prepare(tmp_path)
    path.unlink()
    path.with_name("test-db.yaml").unlink()
    with pytest.raises(DataError, match=r"has no list of segments, .*test-db-tst2010.yaml; download"):
        prepare(tmp_path)


def test_a_list_cut_short_within_a_talk_stops(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", {1: [("Hello there you", "x")] * 2 + [("Yes", "y")]}, join=1)
    path = tmp_path / "IWSLT.tst2010/IWSLT.TED.tst2010.en-de.yaml"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[2:]), encoding="utf-8")
    # "Yes" is 0.15 s of 13, 13 and 3 letters of 50 ms and four pauses of 0.1 s: 1.85 s
    with pytest.raises(
        DataError, match=r"the segments of tst2010.en.talkid1 are 8% of its audio, wanted is 40%"
    ):
        prepare(tmp_path)
    prepare(tmp_path, least_covered=0.05)


def test_a_segment_outside_its_recording_stops(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    path = tmp_path / "IWSLT.tst2010/IWSLT.TED.tst2010.en-de.yaml"
    line = '- {"wav": "tst2010.en.talkid9.wav", "offset": 7.0, "duration": 1.0}\n'
    path.write_text(path.read_text("utf-8") + line, encoding="utf-8")
    with pytest.raises(DataError, match=r"1 segments are outside .* is tst2010_9_000007000_"):
        prepare(tmp_path)


def test_a_talk_that_the_references_lack_stops(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    path = tmp_path / "IWSLT.tst2010/FILE_ORDER"
    path.write_text(path.read_text("utf-8") + "tst2010.en.talkid10\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"FILE_ORDER lists 3 talks, the references have 2; .* are 10;"):
        prepare(tmp_path)


def test_a_part_of_a_set_is_its_first_talks(tmp_path: Path) -> None:
    write_iwslt(tmp_path, "tst2010", TALKS)
    out = prepare(tmp_path, max_talks=1)
    assert set(table(out, "utt2doc").values()) == {"767"}
    assert set(table(tmp_path / "tst2010_segments", "utt2doc").values()) == {"767"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            '<refset><DOC docid="a"><seg id=1>x & y</seg>\n<seg id=2>\nz &lt;\n</seg></DOC></refset>',
            {"1": "x & y", "2": "z <"},
        ),
        ('<doc docid="a"><seg id="1">R&D a<b 1 < 2 & <i></seg></doc>', {"1": "R&D a<b 1 < 2 & <i>"}),
        ('\ufeff<doc docid="a"><p><seg id="1">Caf\u00e9</seg></p></doc>', {"1": "Café"}),
    ],
)
def test_documents_need_not_be_well_formed(tmp_path: Path, text: str, wanted: dict[str, str]) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text, encoding="utf-8")
    assert read_documents(path) == {"a": wanted}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nothing", "has no <seg>"),
        ('<doc docid="a"><seg id="1">x</seg><seg id="1">y</seg></doc>', "segment 1 of document a twice"),
        ('<doc docid="a"><seg id="1">x</seg></doc><doc docid="a"></doc>', "has the document a twice"),
        ('<seg id="1">x</seg><doc docid="a"></doc>', "a <seg> without a <doc docid>"),
        ('<doc docid="a"><seg id="1">x <seg id="2">y</seg></doc>', "2 <seg>, 1 with their </seg>"),
    ],
)
def test_documents_that_could_shift_are_refused(tmp_path: Path, text: str, wanted: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=wanted):
        read_documents(path)
