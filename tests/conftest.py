"""What every test wants."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Take the handler away that the command line adds, which writes to a stream of the test that ran it."""
    yield
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == "synthst"]:
        root.removeHandler(handler)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Compute as `processes.start` does: bit by bit the same."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the test's own that packs are unpacked in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/synthst/packs"
