import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when this folder is named on the command line; else say UPDATE_GOLDEN=1."""
    text = "Rewrite the golden files; review the difference."
    parser.addoption("--update-golden", action="store_true", default=False, help=text)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    asked: bool = request.config.getoption("--update-golden", default=False)
    return asked or bool(os.environ.get("UPDATE_GOLDEN"))
