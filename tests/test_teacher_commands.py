"""Stages 2 and 3: teachers are taken or trained, found again, and translate into a store."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_teacher import write_data
from toy_task import MODEL, TRAINING, make_task, write_pairs

from synthst import teacher_commands
from synthst.datadir import new_directory, read_info
from synthst.errors import ConfigError, DataError
from synthst.espnet.train import train_model
from synthst.info import write_info
from synthst.teacher.cluster import TeacherCluster
from synthst.teacher.file import FileTeacher
from synthst.teacher.protocol import SearchSettings
from synthst.teacher_commands import decode, find_teacher, make_teacher

PAIRS = [(f"sentence {number}", f"Satz {number}") for number in range(20)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "data", PAIRS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    train_model(out=folder / "exp" / "student", **make_task(folder))
    return folder / "exp" / "student"


def write_translations(path: Path, sources: list[str]) -> Path:
    lines = ["source\thypothesis", *(f"{source}\t{source.upper()}" for source in sources)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def take(teacher: str, out: Path, data: Path) -> None:
    make_teacher(teacher, out, data=data, dev=data, tokenizers=data, sources=data, src="en", tgt="de")


def test_a_file_of_translations_is_taken_by_name(data: Path, tmp_path: Path) -> None:
    tsv = write_translations(tmp_path / "made.tsv", [source for source, _ in PAIRS])
    for _ in range(2):
        take(f"file:{tsv}", tmp_path / "teacher", data)
    info = read_info(tmp_path / "teacher")
    assert info["teacher"] == f"file:{tsv}"
    found = find_teacher(str(tmp_path / "teacher"), SearchSettings(), data=data, src="en", device="cpu")()
    assert isinstance(found, FileTeacher)
    assert found.translate(["sentence 3"])[0][0].text == "SENTENCE 3"


def test_a_file_that_lacks_sources_is_refused_at_once(data: Path, tmp_path: Path) -> None:
    tsv = write_translations(tmp_path / "made.tsv", ["sentence 3"])
    with pytest.raises(DataError, match="lacks 19 of 20"):
        take(f"file:{tsv}", tmp_path / "teacher", data)
    assert not (tmp_path / "teacher").exists()


def test_another_teacher_under_the_same_name_is_refused(data: Path, tmp_path: Path) -> None:
    sources = [source for source, _ in PAIRS]
    one, other = (write_translations(tmp_path / f"{name}.tsv", sources) for name in ("one", "other"))
    take(f"file:{one}", tmp_path / "teacher", data)
    with pytest.raises(DataError, match="made otherwise"):
        take(f"file:{other}", tmp_path / "teacher", data)


@pytest.mark.parametrize("teacher", ["oracle:x", "espnet", "file:"])
def test_an_unknown_kind_is_refused_with_the_known_ones(data: Path, tmp_path: Path, teacher: str) -> None:
    with pytest.raises(ConfigError, match="no known kind; give one of espnet:DIR, file:TSV"):
        take(teacher, tmp_path / "teacher", data)
    assert not (tmp_path / "teacher").exists()


def test_an_own_teacher_is_trained_and_found_by_its_directory(trained: Path, tmp_path: Path) -> None:
    folder = trained.parent.parent
    make_teacher(
        "own",
        tmp_path / "teacher",
        data=folder / "train",
        dev=folder / "dev",
        tokenizers=folder / "tokenizers",
        sources=folder / "train",
        src="en",
        tgt="de",
        model=MODEL,
        training=TRAINING,
    )
    summary = json.loads((tmp_path / "teacher" / "train.json").read_text(encoding="utf-8"))
    assert (summary["targets"], summary["student"]) == ("teacher", "1x1")
    found = find_teacher(
        str(tmp_path / "teacher"), SearchSettings(), data=folder / "dev", src="en", device="cpu"
    )()
    assert found.identity["kind"] == "espnet"


# Decoding


def test_decode_fills_a_store_and_check_tells_how_far(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsv = write_translations(tmp_path / "made.tsv", [source for source, _ in PAIRS])
    decode(f"file:{tsv}", data, tmp_path / "store", src="en", part_sentences=7)
    first = capsys.readouterr().out
    decode("unused", data, tmp_path / "store", src="en", check=True)
    assert capsys.readouterr().out == first
    assert first.startswith(f"{tmp_path}/store: 20 of 20 sentences, 0 cut off at the length limit")


def test_check_counts_what_lacks(data: Path, tmp_path: Path) -> None:
    tsv = write_translations(tmp_path / "made.tsv", [source for source, _ in PAIRS])
    decode(f"file:{tsv}", data, tmp_path / "store", src="en")
    more = write_data(tmp_path / "more", [source for source, _ in PAIRS] + ["new one", "new two"])
    with pytest.raises(DataError, match="20 of 22 sentences.*without --check"):
        decode("unused", more, tmp_path / "store", src="en", check=True)


def test_two_shards_fill_one_store(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tsv = write_translations(tmp_path / "made.tsv", [source for source, _ in PAIRS])
    told = []
    for shard in ("1/2", "2/2"):
        decode(f"file:{tsv}", data, tmp_path / "store", src="en", part_sentences=3, shard=shard)
        told.append(capsys.readouterr().out)
    assert "11 of 20 sentences" in told[0] and "20 of 20 sentences" in told[1]


@pytest.mark.parametrize(
    ("kind", "ngpu", "cluster", "wanted"),
    [
        ("espnet", 2, None, ("local", ("0", "1"))),
        ("espnet", 2, "local:4", ("local:4", ("0", "1"))),
        ("espnet", 1, None, None),
        ("llm", 2, None, None),
    ],
)
def test_every_gpu_has_a_worker(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    ngpu: int,
    cluster: str | None,
    wanted: object,
) -> None:
    given: list[TeacherCluster | None] = []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(
        teacher_commands, "load_teacher", lambda *_, **__: SimpleNamespace(identity={"kind": kind})
    )

    def stop(*_: object, cluster: TeacherCluster | None, **__: object) -> None:
        given.append(cluster)
        raise KeyboardInterrupt

    monkeypatch.setattr(teacher_commands, "decode_corpus", stop)
    with pytest.raises(KeyboardInterrupt):
        decode(f"{kind}:x", data, tmp_path / "store", src="en", ngpu=ngpu, cluster=cluster)
    (found,) = given
    assert (found and (found.cluster.address, found.cluster.devices)) == wanted


def test_options_are_kept_with_the_teacher_and_reach_its_kind(data: Path, tmp_path: Path) -> None:
    (tmp_path / "llm.yaml").write_text("base_url: http://127.0.0.1:9/v1\nmodel: tiny\n", encoding="utf-8")
    with new_directory(tmp_path / "teacher") as folder:
        spec = f"llm:{tmp_path / 'llm.yaml'}"
        write_info(folder, {"step": "take_teacher"}, teacher=spec, options={"seed": 3, "concurrency": 2})
    load = find_teacher(
        str(tmp_path / "teacher"), SearchSettings(), data=data, src="en", tgt="de", device="cpu"
    )
    assert load().identity["seed"] == 3
    other = find_teacher(
        str(tmp_path / "teacher"),
        SearchSettings(),
        data=data,
        src="en",
        tgt="de",
        device="cpu",
        options={"seed": 4},
    )
    assert other().identity["seed"] == 4


def test_wrong_clusters_and_options_are_refused_before_anything_is_written(
    data: Path, tmp_path: Path
) -> None:
    tsv = write_translations(tmp_path / "made.tsv", [source for source, _ in PAIRS])
    with pytest.raises(ConfigError, match="the cluster is 'moon'"):
        decode(f"file:{tsv}", data, tmp_path / "store", src="en", cluster="moon")
    with pytest.raises(ConfigError, match="takes no options, threads is given"):
        decode(f"file:{tsv}", data, tmp_path / "store", src="en", teacher_options={"threads": 2})
    assert not (tmp_path / "store").exists()
