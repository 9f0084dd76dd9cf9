"""What every test wants."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Take the handler away that the command line adds, which writes to a stream of the test that ran it."""
    yield
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == "synthst"]:
        root.removeHandler(handler)
