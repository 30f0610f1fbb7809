"""Fixtures of the command line's tests."""

import pytest
from unit.command.planting import Planted


@pytest.fixture
def planted(monkeypatch):
    """Plant modules of the container floor; see Planted."""
    planting = Planted(monkeypatch)
    yield planting
    planting.forget_commands()
