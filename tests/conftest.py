"""How the tests are shared out when several processes run them."""

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each recipe's tests in one process, as they share what its stages made; others go anywhere."""
    for item in items:
        if item.get_closest_marker("recipe"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
