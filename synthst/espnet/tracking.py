"""Where the curves of a training are shown: TensorBoard's files, and Weights & Biases."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthst.errors import ConfigError, install_command

RUN_FILE = "wandb_run"


@dataclass(frozen=True)
class TrackingConfig:
    """What follows a training; it does not change the result and may change while the training goes on."""

    tensorboard: bool = True
    """Write curves into <model>/tensorboard, to be seen with `tensorboard --logdir exp`."""
    wandb: bool = False
    """Send them to Weights & Biases as well; after `wandb login`, or with WANDB_MODE=offline."""
    wandb_project: str = "synthst"
    wandb_entity: str | None = None
    """A user or team, the one logged in by default."""
    wandb_name: str | None = None
    """The run's name, the model directory's by default."""


def tracking_options(tracking: TrackingConfig, folder: Path) -> dict[str, Any]:
    """Return ESPnet's options; a training that goes on in ``folder`` is the same run as before.

    Raises ConfigError when Weights & Biases is asked for and not installed, or nobody is logged in: ESPnet
    would train without it.
    """
    options: dict[str, Any] = {"use_tensorboard": tracking.tensorboard, "use_wandb": tracking.wandb}
    if tracking.wandb:
        require_wandb()
        options |= {
            "wandb_project": tracking.wandb_project,
            "wandb_entity": tracking.wandb_entity,
            "wandb_name": tracking.wandb_name or folder.name.removesuffix(".training"),
            "wandb_id": claim_run(folder),
        }
    return options


def require_wandb() -> None:
    """Raise ConfigError with the remedy unless Weights & Biases is installed and knows who logs."""
    try:
        import wandb
    except ImportError:
        raise ConfigError(
            "training.tracking.wandb wants the package wandb, which is not installed; "
            f"{install_command('wandb')}, or set it to false"
        ) from None
    try:
        wandb.login()
    except wandb.errors.UsageError as error:
        raise ConfigError(
            f"training.tracking.wandb: nobody is logged in ({error}); run `wandb login` first, set "
            "WANDB_MODE=offline, or set it to false"
        ) from error


def claim_run(folder: Path) -> str:
    """Return the id of this training's run, drawn once and kept in ``folder``, whoever of many asks first."""
    path, draft = folder / RUN_FILE, folder / f".{RUN_FILE}.{os.getpid()}"
    if not path.exists():
        draft.write_text(secrets.token_hex(8), encoding="ascii")
        with suppress(FileExistsError):  # another process was first
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="ascii")
