"""The lines of --version."""

import sys

import pytest

import pyruntime
from pyruntime import installation
from pyruntime.command import version
from pyruntime.command.grammar import Line


@pytest.fixture
def lines(monkeypatch):
    monkeypatch.setattr(installation, "stale", lambda: None)

    def shown():
        return version.perform(Line({}, "version", {}, ()), "/r").splitlines()

    return shown


def test_engines_find_name_version_and_spec(lines, monkeypatch):
    monkeypatch.setattr(version, "commit", lambda: "abc123")
    monkeypatch.setattr(version, "libseccomp", lambda: "2.5.4")
    assert lines() == [
        f"pyruntime version {pyruntime.__version__}",
        "commit: abc123",
        "spec: 1.3.0",
        "python: " + ".".join(map(str, sys.version_info[:3])),
        "libseccomp: 2.5.4",
    ]


def test_what_is_not_known_is_left_out(lines, monkeypatch):
    monkeypatch.setattr(version, "commit", lambda: "")
    monkeypatch.setattr(version, "_LIBRARY", "libnosuch.so.9")
    assert [line.partition(" ")[0] for line in lines()] == ["pyruntime", "spec:", "python:"]


def test_byte_code_for_another_python_is_noted(lines, monkeypatch):
    monkeypatch.setattr(installation, "stale", lambda: "byte-code: made for 3.9")
    assert lines()[-1] == "byte-code: made for 3.9"


def test_the_library_tells_its_own_version():
    parts = version.libseccomp().split(".")
    assert parts == [""] or (len(parts) == 3 and all(part.isdigit() for part in parts))


def test_the_commit_is_read_from_the_installed_file(monkeypatch, tmp_path):
    monkeypatch.setattr(pyruntime, "__path__", [str(tmp_path)])
    assert version.commit() == ""
    (tmp_path / "_commit").write_text("abc123\n")
    assert version.commit() == "abc123"
