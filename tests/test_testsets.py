"""Test sets by name: beside the corpus, elsewhere, or sacreBLEU's, whose files the test writes."""

import socket
from pathlib import Path

import pytest
import sacrebleu.dataset
from toy_task import write_pairs

from synthst.errors import ConfigError, DataError
from synthst.tables import read_table
from synthst.testsets import decoded_path, fetch_test_set, find_test_sets, set_name


class Dataset:
    """A test set of sacreBLEU's with two references, whose second line has no first one."""

    langpairs = {"en-de": [], "de-en": []}  # noqa: RUF012

    def __init__(self, folder: Path, trouble: BaseException | None = None) -> None:
        self.folder, self.trouble = folder, trouble

    def get_source_file(self, pair: str) -> str:
        if self.trouble:
            raise self.trouble
        return self.write(f"{pair}.src", "A  cat.\nA dog.\nA\u2028bird. \n")

    def get_reference_files(self, pair: str) -> list[str]:
        first = self.write(f"{pair}.ref-A", "Eine Katze.\n\nEin Vogel.\n")
        return [first, self.write(f"{pair}.ref-B", "x\ny\nz\n")]

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return str(self.folder / name)


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Dataset]:
    found = {"toy21": Dataset(tmp_path), "toy17/dev": Dataset(tmp_path)}
    monkeypatch.setattr(sacrebleu.dataset, "DATASETS", found)
    return found


@pytest.mark.parametrize(
    ("test_set", "name"),
    [
        ("test", "test"),
        ("../wesnoth/test", "wesnoth_test"),
        ("/data/en-de/wesnoth/test", "wesnoth_test"),
        ("iwslt17/tst2015", "iwslt17_tst2015"),
    ],
)
def test_set_name_is_the_last_two_parts(test_set: str, name: str) -> None:
    assert set_name(test_set) == name
    assert decoded_path(Path("model"), test_set) == Path(f"model/decode_{name}")


def test_find_test_sets_takes_paths_from_the_data_and_from_the_root(tmp_path: Path) -> None:
    for name in ("corpus/test", "wesnoth/test", "far/away"):
        write_pairs(tmp_path / name, [("a cat", "eine Katze")])
    wanted = ["test", "../wesnoth/test", str(tmp_path / "far/away")]
    found = find_test_sets(wanted, tmp_path / "corpus", src="en", tgt="de")
    assert [path.resolve() for path in found] == [
        tmp_path / name for name in ("corpus/test", "wesnoth/test", "far/away")
    ]


@pytest.mark.parametrize("test_sets", [["test", "../test"], ["../a/x/test", "../b/x/test"]])
def test_find_test_sets_refuses_two_of_one_name(tmp_path: Path, test_sets: list[str]) -> None:
    with pytest.raises(ConfigError, match=f"{', '.join(test_sets)} would share a name"):
        find_test_sets(test_sets, tmp_path, src="en", tgt="de")


@pytest.mark.parametrize("test_set", ["..", "/", "."])
def test_set_name_refuses_what_names_nothing(test_set: str) -> None:
    with pytest.raises(ConfigError, match="is no test set"):
        set_name(test_set)


def test_a_set_of_sacrebleus_is_put_beside_the_others_once(
    tmp_path: Path, datasets: dict[str, Dataset], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        (found,) = find_test_sets(["toy17/dev"], tmp_path / "corpus", src="en", tgt="de")
        datasets["toy17/dev"].trouble = AssertionError("fetched twice")
    assert found == tmp_path / "corpus/toy17/dev"
    assert dict(read_table(found / "text.en")) == {
        "toy17_dev_000001": "A cat.",
        "toy17_dev_000003": "A bird.",
    }
    assert dict(read_table(found / "text.de"))["toy17_dev_000003"] == "Ein Vogel."
    assert "1 lines without source or reference are left out" in caplog.text


@pytest.mark.parametrize(
    ("name", "tgt", "wanted"),
    [
        ("toy22", "de", "toy22 is not there, and sacreBLEU has no test set 'toy22'; did you mean toy21"),
        ("unheard", "de", "no test set 'unheard'; `sacrebleu --list` tells"),
        ("toy21", "fr", "sacreBLEU's toy21 has no en-fr; it has de-en, en-de"),
    ],
)
def test_what_sacrebleu_does_not_have_is_refused(
    tmp_path: Path, datasets: dict[str, Dataset], name: str, tgt: str, wanted: str
) -> None:
    with pytest.raises(DataError, match=wanted):
        fetch_test_set(name, tmp_path / name, src="en", tgt=tgt)


@pytest.mark.parametrize("trouble", [socket.gaierror("no address"), SystemExit(1)])
def test_without_a_network_the_error_says_so(
    tmp_path: Path, datasets: dict[str, Dataset], trouble: BaseException
) -> None:
    datasets["toy21"].trouble = trouble
    with pytest.raises(DataError, match=r"sacreBLEU cannot fetch toy21 en-de .*; is there a network\?"):
        fetch_test_set("toy21", tmp_path / "toy21", src="en", tgt="de")
    assert not (tmp_path / "toy21").exists()
