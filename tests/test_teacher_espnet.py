"""The ESPnet teacher: n-best lists in order, an identity of its content, the same whatever the batch."""

import shutil
from pathlib import Path

import pytest
import torch
from toy_task import make_sentences, make_task

from synthst.errors import ConfigError, DataError
from synthst.espnet.train import train_model
from synthst.teacher.espnet import EspnetTeacher
from synthst.teacher.kinds import load_teacher
from synthst.teacher.protocol import Hypothesis, SearchSettings

SOURCES = make_sentences(24, seed=5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    train_model(out=folder / "exp" / "model", **make_task(folder))
    return folder / "exp" / "model"


def assert_same(ours: list[list[Hypothesis]], wanted: list[list[Hypothesis]]) -> None:
    for mine, theirs in zip(ours, wanted, strict=True):
        assert [hyp.text for hyp in mine] == [hyp.text for hyp in theirs]
        assert [hyp.score for hyp in mine] == pytest.approx([hyp.score for hyp in theirs], abs=1e-4)


@pytest.mark.parametrize("normalisation", ["none", "mean"])
def test_lists_are_as_long_as_asked_for_and_best_first(model: Path, normalisation: str) -> None:
    settings = SearchSettings(beam=4, nbest=3, length_normalisation=normalisation, max_extra=3)
    for hypotheses in EspnetTeacher(model, settings).translate(SOURCES):
        scores = [hyp.score for hyp in hypotheses]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert all(score < 0 for score in scores)


def test_a_mean_score_is_the_sum_over_the_tokens_and_the_end(model: Path) -> None:
    sums, means = (
        EspnetTeacher(model, SearchSettings(beam=1, length_normalisation=name)).translate(SOURCES)
        for name in ("none", "mean")
    )
    for [one], [other] in zip(sums, means, strict=True):
        assert one.text == other.text
        assert other.score == pytest.approx(one.score / (one.tokens + 1))


def test_cut_off_hypotheses_are_marked(model: Path) -> None:
    settings = SearchSettings(max_ratio=0, max_extra=1)
    for [hyp] in EspnetTeacher(model, settings).translate(SOURCES):
        assert hyp.finished or hyp.tokens == 1


@pytest.mark.parametrize("top_k", [0, 5])
def test_neighbours_and_their_number_change_nothing(model: Path, top_k: int) -> None:
    teacher = EspnetTeacher(model, SearchSettings(nbest=2, top_k=top_k, max_extra=3))
    together = teacher.translate(SOURCES)
    assert_same(teacher.translate(SOURCES[::-1]), together[::-1])
    assert_same([teacher.translate([source])[0] for source in SOURCES], together)
    assert_same(teacher.translate([SOURCES[3], *SOURCES]), [together[3], *together])


def test_samples_come_in_the_order_drawn(model: Path) -> None:
    """More samples begin with the ones of a smaller number, so they are not sorted by score."""
    found = EspnetTeacher(model, SearchSettings(nbest=8, top_k=20, max_extra=3)).translate(SOURCES)
    orders = [[hyp.score for hyp in hypotheses] for hypotheses in found]
    assert any(order != sorted(order, reverse=True) for order in orders)


def test_the_identity_is_of_the_content_not_of_the_place(model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(model, tmp_path / "elsewhere" / "model"))
    settings = SearchSettings()
    identity = EspnetTeacher(model, settings).identity
    assert EspnetTeacher(copy, settings).identity == identity
    assert str(model.parent) not in str(identity)
    states = torch.load(copy / "model.pth", weights_only=True)
    states["decoder.output_layer.bias"][0] += 1e-3
    torch.save(states, copy / "model.pth")
    changed = EspnetTeacher(copy, settings).identity
    assert [key for key in identity if changed[key] != identity[key]] == ["weights_sha256"]


def test_how_a_beam_ends_is_part_of_the_identity(model: Path) -> None:
    spec, settings = f"espnet:{model}", SearchSettings()
    teachers = {
        stopping: load_teacher(spec, settings, options={"stopping": stopping})
        for stopping in ("shrinking", "first_come")
    }
    identity = EspnetTeacher(model, settings).identity
    assert teachers["shrinking"].identity == identity
    assert teachers["first_come"].identity == {**identity, "stopping": "first_come"}
    with pytest.raises(ConfigError, match="stopping"):
        load_teacher(spec, settings, options={"stopping": "late"})


def test_the_teacher_is_loaded_by_its_kind(model: Path) -> None:
    settings = SearchSettings(beam=2)
    teacher = load_teacher(f"espnet:{model}", settings)
    assert isinstance(teacher, EspnetTeacher)
    assert teacher.settings == settings
    assert teacher.identity["kind"] == "espnet"


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="config.yaml"):
        load_teacher(f"espnet:{tmp_path}", SearchSettings())
