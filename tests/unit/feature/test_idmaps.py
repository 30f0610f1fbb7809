"""Who writes the id maps, in words, and where the programs for it are looked for."""

import pytest

from pyruntime.feature import idmaps
from pyruntime.feature.usernamespace import UserNamespaceStep


@pytest.fixture
def place(tmp_path):
    """Callable: make a program of some mode in a directory of its own; return that."""

    def make(name, mode):
        directory = tmp_path / f"{name}{mode:o}"
        directory.mkdir()
        (directory / "newxidmap").write_text("#!/bin/sh\n")
        (directory / "newxidmap").chmod(mode)
        return str(directory)

    return make


def found(*directories):
    return idmaps.find("newxidmap", {b"PATH": ":".join(directories).encode()})


def test_the_first_of_path_that_can_be_executed_is_taken(place):
    plain, good, later = place("a", 0o644), place("b", 0o755), place("c", 0o755)
    assert found("/nowhere", plain, good, later) == f"{good}/newxidmap"


def test_a_directory_of_that_name_is_no_program(tmp_path):
    (tmp_path / "newxidmap").mkdir()
    assert found(str(tmp_path)) == ""


def test_the_working_directory_is_never_looked_into(place, monkeypatch):
    directory = place("a", 0o755)
    monkeypatch.chdir(directory)
    assert found("", ".", "../a755") == ""


def test_without_path_the_usual_place_is_looked_into():
    assert idmaps.find("env", {}) == "/usr/bin/env"
    assert idmaps.find("newxidmap", {}) == ""


@pytest.mark.parametrize(
    ("programs", "alone", "words"),
    [
        ({}, False, "write the child's uid_map and gid_map"),
        ({}, True, "write the child's uid_map; deny it setgroups, and write its gid_map"),
        ({"uid_map": "a"}, True, "have a write the child's uid_map; deny it setgroups, and write its gid_map"),
        ({"gid_map": "b"}, False, "write the child's uid_map, and have b write its gid_map"),
        ({"uid_map": "a", "gid_map": "b"}, False, "have a and b write the child's uid_map and gid_map"),
    ],
)
def test_it_is_told_who_writes_what(programs, alone, words):
    step = UserNamespaceStep("", "", 0)
    step.programs, step.alone = programs, alone
    assert idmaps.said(step) == words
