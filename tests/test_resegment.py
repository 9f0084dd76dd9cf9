"""Translations of automatic segments are cut at the references' lines, talk by talk, and no word is lost."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from toy_dump import table

from synthst.datadir import new_directory
from synthst.errors import ConfigError, DataError, install_command
from synthst.info import write_info
from synthst.resegment import align, resegment
from synthst.tables import write_table

needs_mweralign = pytest.mark.skipif(
    importlib.util.find_spec("mweralign") is None, reason="mweralign is an optional extra"
)

REFERENCES = {
    "t1": [("t1_1", "Das ist ein Haus."), ("t1_2", "Es ist groß und schön."), ("t1_3", "Guten Tag!")],
    "t2": [("t2_1", "Das Ende."), ("t2_2", "Danke.")],
}


@needs_mweralign
def test_words_go_to_the_line_that_they_are_most_like() -> None:
    hypotheses = {
        "t1": [("a", "Das ist ein Haus. Es ist"), ("b", "groß und schön. Guten"), ("c", "Tag!")],
        "t2": [("a", "Das Ende. Danke.")],
    }
    assert align(hypotheses, REFERENCES) == [row for rows in REFERENCES.values() for row in rows]


@needs_mweralign
def test_errors_stay_in_their_line_and_no_word_crosses_a_talk() -> None:
    hypotheses = {
        "t1": [("a", "Das ist kein Haus. Es ist"), ("b", ""), ("c", "groß und sehr schön. Tag!")],
        "t2": [("a", "")],
    }
    found = dict(align(hypotheses, REFERENCES))
    assert found == {
        "t1_1": "Das ist kein Haus.",
        "t1_2": "Es ist groß und sehr schön.",
        "t1_3": "Tag!",
        "t2_1": "",
        "t2_2": "",
    }


def test_other_talks_than_the_references_are_refused() -> None:
    with pytest.raises(DataError, match=r"translated are the talks t1, the references are of t1, t2"):
        align({"t1": []}, REFERENCES)


def test_without_mweralign_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=re.escape(install_command("iwslt"))):
        align(dict.fromkeys(REFERENCES, []), REFERENCES)


def make_model(folder: Path, lines: dict[str, str]) -> Path:
    """Write what training and decoding tst leave of a model."""
    decoded = folder / "decode_tst_segments"
    with new_directory(decoded) as new:
        write_table(new / "text.de", lines.items(), allow_empty=True)
        (new / "decode.json").write_text('{"sentences": 2, "seconds": 1.0}', encoding="utf-8")
        write_info(new, {"step": "translate_speech"})
    (folder / "train.json").write_text(json.dumps({"settings": {"tgt": "de"}}), encoding="utf-8")
    return folder


def make_data(folder: Path) -> Path:
    """Write references and talks of the test set tst."""
    (folder / "tst").mkdir(parents=True)
    (folder / "tst_segments").mkdir()
    rows = [(utterance, line, doc) for doc, lines in REFERENCES.items() for utterance, line in lines]
    write_table(folder / "tst/text.de", [row[:2] for row in rows])
    write_table(folder / "tst/utt2doc", [(row[0], row[2]) for row in rows])
    write_table(folder / "tst_segments/utt2doc", [("s1", "t1"), ("s2", "t2")])
    return folder


@needs_mweralign
def test_resegment_makes_the_directory_that_scoring_looks_for(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    lines = {"s1": "Das ist Haus. Es ist groß und schön. Guten Tag!", "s2": "Das Ende. Danke."}
    model = make_model(tmp_path / "model", lines)
    for _ in range(2):  # the second time it is there already
        resegment([model, tmp_path / "elsewhere"], data, ["tst", "dev"])
    assert table(model / "decode_tst", "text.de") == {
        "t1_1": "Das ist Haus.",
        "t1_2": "Es ist groß und schön.",
        "t1_3": "Guten Tag!",
        "t2_1": "Das Ende.",
        "t2_2": "Danke.",
    }
    assert json.loads((model / "decode_tst/decode.json").read_text(encoding="utf-8"))["seconds"] == 1.0
    assert [path.name for path in model.glob("decode_*")].count("decode_dev") == 0


def test_a_segment_without_a_translation_stops(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    model = make_model(tmp_path / "model", {"s1": "Das"})
    with pytest.raises(DataError, match="s2"):
        resegment([model], data, ["tst"])


def test_a_set_that_was_not_decoded_stops(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    (tmp_path / "train.json").write_text('{"settings": {"tgt": "de"}}', encoding="utf-8")
    with pytest.raises(
        DataError, match=r"decode_tst_segments is missing; decode the test set tst_segments first"
    ):
        resegment([tmp_path], data, ["tst"])
