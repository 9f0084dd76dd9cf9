"""Curves go to TensorBoard by default, to Weights & Biases by option, and a resumed training is one run."""

import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import espnet2.tasks.abs_task
import pytest
from toy_task import TRAINING, make_task

from synthst.errors import ConfigError, install_command
from synthst.espnet.config import TrainingConfig
from synthst.espnet.tracking import TrackingConfig, claim_run, tracking_options
from synthst.espnet.train import train_model

VALID_LOSS = "valid/valid_loss_epoch"  # what ESPnet calls it there


class UsageError(Exception):
    """What wandb.login raises when nobody is logged in."""


class FakeWandb(types.ModuleType):
    """Record what ESPnet tells the package wandb."""

    def __init__(self, *, logged_in: bool = True) -> None:
        super().__init__("wandb")
        self.errors = types.SimpleNamespace(UsageError=UsageError)
        self.inits: list[dict[str, Any]] = []
        self.logged: list[dict[str, Any]] = []
        self.configs: list[Any] = []
        self.config = types.SimpleNamespace(update=lambda args, **_: self.configs.append(args))
        self.run: object = None
        self.finished = 0
        self._logged_in = logged_in

    def login(self) -> bool:
        if not self._logged_in:
            raise UsageError("api_key not configured (no-tty)")
        return True

    def init(self, **options: Any) -> None:
        self.inits.append(options)
        self.run = types.SimpleNamespace(id=options["id"])

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def finish(self) -> None:
        self.finished += 1


def use(module: types.ModuleType | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import wandb` give ``module``; None stands for a package that is not installed."""
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setattr(espnet2.tasks.abs_task, "wandb", module)


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> FakeWandb:
    module = FakeWandb()
    use(module, monkeypatch)
    return module


def with_tracking(**options: Any) -> TrainingConfig:
    values = {name: getattr(TRAINING, name) for name in TRAINING.__dataclass_fields__}
    return TrainingConfig(**{**values, "tracking": TrackingConfig(**options)})


def test_tensorboard_is_on_and_wandb_off_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(None, monkeypatch)
    assert tracking_options(TrackingConfig(), tmp_path) == {"use_tensorboard": True, "use_wandb": False}
    assert not list(tmp_path.iterdir())


def test_wandb_gets_the_models_name_and_one_id_for_ever(tmp_path: Path, wandb: FakeWandb) -> None:
    folder = tmp_path / "mt_2x2.training"
    folder.mkdir()
    first = tracking_options(TrackingConfig(wandb=True, wandb_entity="team"), folder)
    assert first["wandb_name"] == "mt_2x2" and first["wandb_project"] == "synthst"
    assert first["wandb_entity"] == "team" and len(first["wandb_id"]) == 16
    assert tracking_options(TrackingConfig(wandb=True), folder)["wandb_id"] == first["wandb_id"]
    (other := tmp_path / "other").mkdir()
    assert claim_run(other) != claim_run(folder) and [path.name for path in other.iterdir()] == ["wandb_run"]


def test_wandb_that_is_not_there_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(None, monkeypatch)
    with pytest.raises(ConfigError, match=re.escape(install_command("wandb"))):
        tracking_options(TrackingConfig(wandb=True), tmp_path)
    use(FakeWandb(logged_in=False), monkeypatch)
    with pytest.raises(ConfigError, match="nobody is logged in .* run `wandb login` first"):
        tracking_options(TrackingConfig(wandb=True), tmp_path)


def test_a_training_is_one_run_with_every_validations_loss(tmp_path: Path, wandb: FakeWandb) -> None:
    task = make_task(tmp_path) | {"training": with_tracking(wandb=True, tensorboard=False)}
    train_model(out=tmp_path / "out", **task)
    (init,) = wandb.inits
    assert (init["project"], init["name"], init["resume"]) == ("synthst", "out", True)
    assert init["id"] == (tmp_path / "out/wandb_run").read_text(encoding="ascii") and wandb.finished == 1
    losses = [values[VALID_LOSS] for values in wandb.logged if VALID_LOSS in values]
    told = json.loads((tmp_path / "out/train.json").read_text(encoding="utf-8"))
    assert len(losses) == 3 and min(losses) == told["valid_loss"]
    assert not (tmp_path / "out/tensorboard").exists()


def test_tracking_is_no_part_of_what_was_trained(tmp_path: Path, wandb: FakeWandb) -> None:
    task = make_task(tmp_path)
    train_model(out=tmp_path / "out", **task)
    assert (tmp_path / "out/tensorboard").is_dir() and not wandb.inits
    train_model(out=tmp_path / "out", **(task | {"training": with_tracking(wandb=True)}))  # there already
    assert not wandb.inits
