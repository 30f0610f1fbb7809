"""Fixtures of the tests that play scripts; see played.py."""

import shutil
import tempfile
from pathlib import Path

import pytest
from functional.played import Played, built


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The native program, compiled from this tree."""
    return built(tmp_path_factory.mktemp("native") / "waiting_init")


@pytest.fixture
def open_directory():
    """A directory that every user can walk to, unlike those of pytest."""
    directory = Path(tempfile.mkdtemp(prefix="player-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def play(program, tmp_path):
    """Start a script; whatever is left of it ends with the test."""
    running = []

    def start(**more):
        directory = tmp_path / f"play{len(running)}"
        directory.mkdir()
        running.append(Played(program, directory, **more))
        return running[-1]

    yield start
    for each in running:
        each.close()
