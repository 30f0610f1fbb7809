"""The table of ps(1), cut to the processes of a container."""

from importlib import import_module

import pytest

from pyruntime import errors
from pyruntime.command.grammar import Line

TABLE = (
    "UID          PID    PPID  C STIME TTY          TIME CMD\n"
    "root           1       0  0 10:00 ?        00:00:01 /sbin/init\n"
    "root          12       1  0 10:00 ?        00:00:00 sleep 1 12\n"
    "root          21      12  0 10:00 ?        00:00:00 sh -c PID 7\n"
)


@pytest.fixture
def ps(planted):
    def make(pids=(), table=TABLE):
        planted("pyruntime.container.processes", processes=planted.recorder(list(pids)))
        module = import_module("pyruntime.command.ps")
        asked = []

        def listed(options):
            asked.append(tuple(options))
            return table

        planted.monkeypatch.setattr(module, "_listed", listed)
        return module, asked

    return make


def perform(module, *words, **options):
    return module.perform(Line({}, "ps", options, words), "/r")


def test_the_heading_and_the_containers_lines_are_kept(ps):
    module, asked = ps([12, 21])
    lines = TABLE.splitlines(keepends=True)
    assert perform(module, "c") == lines[0] + lines[2] + lines[3]
    assert asked == [("-ef",)]


def test_the_callers_options_take_the_place_of_the_default(ps):
    module, asked = ps([1], "  PID CMD\n    1 init\n   11 x\n")
    assert perform(module, "c", "-o", "pid,cmd", "--forest") == "  PID CMD\n    1 init\n"
    assert asked == [("-o", "pid,cmd", "--forest")]


def test_of_a_stopped_container_there_is_the_heading(ps):
    assert perform(ps()[0], "c") == TABLE.splitlines(keepends=True)[0]


@pytest.mark.parametrize(("pids", "text"), [([], "null\n"), ([3, 7], "[3,7]\n")])
def test_json_is_the_ids_alone_and_needs_no_ps(ps, pids, text):
    module, asked = ps(pids)
    assert perform(module, "c", "ignored", format="json") == text
    assert asked == []


def test_another_format_is_refused(ps):
    with pytest.raises(errors.UsageError, match="^invalid format option$"):
        perform(ps()[0], "c", format="yaml")


@pytest.mark.parametrize("table", ["", "USER COMMAND\nroot init\n", "    1\n   12\n"])
def test_a_table_without_the_column_is_refused(ps, table):
    with pytest.raises(errors.RuntimeFailure, match="^couldn't find PID field in ps output$"):
        perform(ps([1], table)[0], "c")


@pytest.mark.parametrize("line", ["some word 12", "-", "x"])
def test_a_column_without_a_number_is_told(ps, line):
    with pytest.raises(errors.RuntimeFailure, match="^unable to parse pid: .*name the pid first"):
        perform(ps([12], f"COMM PID\n{line}\n")[0], "c")


def test_it_is_the_callers_ps_or_one_of_the_usual_places_never_a_relative_one(ps, tmp_path, monkeypatch):
    module, _ = ps()
    own = tmp_path / "ps"
    own.write_text("")
    own.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module.posix, "environ", {b"PATH": bytes(tmp_path)})
    assert module._program() == str(own)
    for path in (b".", b"", b":"):
        monkeypatch.setattr(module.posix, "environ", {b"PATH": path})
        assert module._program() in ("/usr/bin/ps", "/bin/ps")
    monkeypatch.setattr(module, "_DIRECTORIES", "")
    with pytest.raises(errors.RuntimeFailure, match=r"executable file not found in \$PATH"):
        module._program()
