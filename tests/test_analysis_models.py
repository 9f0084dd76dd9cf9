"""Models are named by what tells them apart, and are of the task that is wanted."""

import json
from pathlib import Path

import pytest

from synthst.analysis.models import check_reads, name_models, name_targets, read_labels
from synthst.errors import ConfigError, DataError


def make_model(folder: Path, *, task: str | None = None, seed: int = 0, **labels: object) -> Path:
    folder.mkdir(parents=True)
    settings: dict[str, object] = {"training": {"seed": seed}} | ({"task": task} if task else {})
    (folder / "train.json").write_text(json.dumps({**labels, "settings": settings}))
    return folder


def test_a_name_says_the_targets_and_only_what_differs(tmp_path: Path) -> None:
    models = [
        make_model(tmp_path / f"{targets}{student}", targets=targets, student=student, subset=4000)
        for targets in ("real", "synth")
        for student in ("2x2", "6x6")
    ]
    assert name_models(models[:1]) == ["real"]
    assert name_models([models[0], models[2]]) == ["real", "synthetic"]
    assert name_models(models) == ["real 2x2", "real 6x6", "synthetic 2x2", "synthetic 6x6"]
    teacher = make_model(tmp_path / "teacher", targets="teacher", student="2x2")
    assert name_models([models[0], models[2], teacher]) == ["real", "synthetic", "teacher"]


def test_subsets_and_seeds_tell_models_apart(tmp_path: Path) -> None:
    models = [
        make_model(tmp_path / "a", targets="real", subset=4000),
        make_model(tmp_path / "b", targets="real", subset=None),
        make_model(tmp_path / "c", targets="real", subset=None, seed=1),
    ]
    assert name_models(models[:2]) == ["real 4,000", "real all"]
    assert name_models(models[1:]) == ["real seed 0", "real seed 1"]
    assert read_labels(models[0]) == {"targets": "real", "subset": "4,000", "seed": "0"}


def test_models_with_the_same_labels_have_their_directory_beside_the_name(tmp_path: Path) -> None:
    models = [make_model(tmp_path / name, targets="teacher") for name in ("one", "two")]
    real = make_model(tmp_path / "real", targets="real")
    assert name_models([*models, real]) == ["teacher (one)", "teacher (two)", "real"]
    assert name_models([make_model(tmp_path / name) for name in ("five", "six")]) == ["five", "six"]
    same = [make_model(tmp_path / name / "mt", targets="synth") for name in ("three", "four")]
    assert name_models(same) == [str(model) for model in same]


@pytest.mark.parametrize(
    ("targets", "name"),
    [
        ("synth", "synthetic"),
        ("synth_mono", "synthetic mono"),
        ("synth by own", "synthetic by own"),
        ("real then synth", "real then synthetic"),
        ("synthetic", "synthetic"),
        ("synthesis", "synthesis"),
    ],
)
def test_targets_are_called_as_in_tables(targets: str, name: str) -> None:
    assert name_targets(targets) == name


def test_what_is_no_figure_is_refused(tmp_path: Path) -> None:
    model = make_model(tmp_path / "a", targets="real")
    with pytest.raises(ConfigError, match="no model is named"):
        name_models([])
    with pytest.raises(ConfigError, match="named twice"):
        name_models([model, tmp_path / "b" / ".." / "a"])
    with pytest.raises(DataError, match="name a model that stage 8 made"):
        read_labels(tmp_path)
    (tmp_path / "train.json").write_text("[]")
    with pytest.raises(DataError, match="does not say how"):
        read_labels(tmp_path)


def test_speech_wants_audio_and_text_does_not(tmp_path: Path) -> None:
    text, speech, recogniser = (make_model(tmp_path / f"{task}", task=task) for task in (None, "st", "asr"))
    check_reads(text, None)
    check_reads(speech, tmp_path)
    with pytest.raises(ConfigError, match="give --audio"):
        check_reads(speech, None)
    with pytest.raises(ConfigError, match="leave --audio out"):
        check_reads(text, tmp_path)
    with pytest.raises(ConfigError, match="recogniser"):
        check_reads(recogniser, tmp_path)
