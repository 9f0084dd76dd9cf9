"""A pack names no folder of its maker's machine, and loses nothing that a reader of the model needs."""

import json
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from toy_task import make_task, write_pairs

from synthst.datadir import write_info
from synthst.espnet.load import load_model
from synthst.espnet.train import train_model
from synthst.pack.command import pack
from synthst.pack.lineage import trace_model
from synthst.pack.names import find_paths, with_short_paths
from synthst.pack.portable import write_portable
from synthst.pack.results import _without_folders
from synthst.packfile import unpack

pytestmark = pytest.mark.usefixtures("one_thread", "cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a tiny model on a corpus, and another that begins with its weights."""
    folder = tmp_path_factory.mktemp("maker")
    task = make_task(folder)
    write_info(folder / "train", {"step": "prepare_libreoffice", "source": folder / "downloads/help"})
    labels: dict[str, str | int | None] = {"targets": "real", "subset": None}
    train_model(out=folder / "exp/general", **task, labels=labels)
    train_model(out=folder / "exp/mt", **task, labels=labels, init=folder / "exp/general")
    return folder


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    pack(folder / "exp/mt", tmp_path / "pack.zip")
    return tmp_path / "pack.zip"


def test_no_file_of_a_pack_names_a_folder_of_the_maker(folder: Path, packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        texts = {name: archive.read(name) for name in archive.namelist() if name != "model.pth"}
    assert {"config.yaml", "train.json", "init.json", "lineage.json"} <= texts.keys()
    assert [name for name, text in texts.items() if str(folder).encode() in text] == []
    train = json.loads(texts["train.json"])
    assert train["settings"]["tokens"]["path"] == f"{folder.name}/tokens_train"
    (origin,) = json.loads(texts["lineage.json"])["origins"]
    assert origin["path"] == f"{folder.name}/train" and origin["options"]["source"] == "downloads/help"


def test_an_unpacked_model_has_the_settings_and_weights_of_its_directory(
    folder: Path, packed: Path, tmp_path: Path
) -> None:
    unpack(packed, tmp_path / "out")
    ours, theirs = (
        yaml.safe_load((place / "config.yaml").read_text(encoding="utf-8"))
        for place in (folder / "exp/mt", tmp_path / "out")
    )
    differing = {key for key in {**ours, **theirs} if ours[key] != theirs[key]}
    assert differing == {"config", "output_dir", "train_tokens", "valid_tokens", "init_weights"}
    assert list(ours) == list(theirs)
    before, after = (load_model(place) for place in (folder / "exp/mt", tmp_path / "out"))
    assert before.checksum == after.checksum
    state = after.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in before.model.state_dict().items())


def test_an_unpacked_model_still_knows_its_lineage(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack(packed, tmp_path / "out")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (origin,) = trace_model(tmp_path / "out")
    assert origin.step == "prepare_libreoffice" and origin.is_corpus
    write_pairs(tmp_path / "elsewhere" / origin.path, [("other", "texts")])  # at the same place, by chance
    assert trace_model(tmp_path / "out") == [origin]
    pack(tmp_path / "out", tmp_path / "again.zip")
    with zipfile.ZipFile(packed) as first, zipfile.ZipFile(tmp_path / "again.zip") as second:
        assert first.read("lineage.json") == second.read("lineage.json")


def test_statistics_are_found_beside_the_model_and_pieces_of_text_are_no_paths(tmp_path: Path) -> None:
    config = {
        "token_list": ["<blank>", "/usr/share", "/a/b"],
        "normalize_conf": {"stats_file": "/home/me/exp/st.training/feats_stats.npz"},
        "train_tokens": "/usr/share",
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "feats_stats.npz").touch()
    told = yaml.safe_load(write_portable(tmp_path, {"/usr/share": "share"})["config.yaml"])
    assert told == {
        **config,
        "train_tokens": "share",
        "normalize_conf": {"stats_file": "feats_stats.npz"},
    }


def test_the_place_of_a_teacher_is_a_path_too() -> None:
    options = {"teacher": "ct2:/home/me/models/nllb", "page": "https://example.org/x", "name": "hf:a/b"}
    assert find_paths(options) == {Path("/home/me/models/nllb")}
    short = {"/home/me/models/nllb": "models/nllb"}
    assert with_short_paths(options, short) == {**options, "teacher": "ct2:models/nllb"}


def test_the_command_of_results_names_no_folder_of_the_maker() -> None:
    command = "./run.sh --workdir /home/me/work/mt --teacher ct2:/home/me/nllb --conf conf/mini"
    section = f"## Toy\n\n```\n{command}\n```\n\nsource /home/me/work is a folder\n"
    told = _without_folders(section, command)
    assert "./run.sh --workdir work/mt --teacher ct2:me/nllb --conf conf/mini\n" in told
    assert told.endswith("source /home/me/work is a folder\n")
