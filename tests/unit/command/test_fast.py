"""The exact reader."""

import pytest
from unit.command.engine_lines import LINES

from pyruntime.command import fast, full
from pyruntime.command.grammar import Line


@pytest.mark.parametrize("line", LINES)
def test_what_engines_send_is_read_and_as_click_reads_it(line):
    found = fast.read(line.split())
    assert found is not None
    assert found == full.read(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nosuch x",
        "--version=true",
        "-v --help",
        "--version --bogus",
        "--help",
        "create --help",
        "create -h x",
        "state",
        "state a b",
        "list x",
        "kill a b c",
        "create --bogus x",
        "create --bundle",
        "create --no-pivot=false x",
        "create --no-pivot=true x",
        "create --preserve-fds 010 x",
        "create --preserve-fds -1 x",
        "create --preserve-fds ٣ x",
        "create --preserve-fds 1234567890123 x",
        "state -- x",
        "state -",
        "kill x -- -9",
        "exec x -- ls",
        "ps x -- -ef",
        "ps -ef x",
        "state --root /r x",
        "---debug state x",
        "--=x state x",
    ],
)
def test_it_stands_aside_from_what_is_not_plain(line):
    assert fast.read(line.split()) is None


def test_the_last_of_a_repeated_option_wins():
    argv = [
        "--root",
        "/a",
        "--root=/b",
        "run",
        "-b",
        "x",
        "--bundle",
        "y",
        "-bundle",
        "z",
        "-d",
        "ID",
    ]
    line = Line({"root": "/b"}, "run", {"bundle": "z", "detach": True}, ("ID",))
    assert fast.read(argv) == line


def test_options_may_follow_positionals_but_not_those_of_kill():
    assert fast.read(["delete", "x", "--force"]) == Line({}, "delete", {"force": True}, ("x",))
    assert fast.read(["kill", "x", "--all"]) == Line({}, "kill", {}, ("x", "--all"))
    assert fast.read(["kill", "x", "-9"]) == Line({}, "kill", {}, ("x", "-9"))


def test_what_follows_the_id_of_exec_is_the_commands_own():
    line = ["exec", "-t", "-e", "A=1", "--env=B=2", "x", "ls", "-la", "--", "--env=C=3"]
    options = {"tty": True, "env": ["A=1", "B=2"]}
    assert fast.read(line) == Line({}, "exec", options, ("x", "ls", "-la", "--", "--env=C=3"))


@pytest.mark.parametrize("line", ["kill x -9", "kill x --all", "ps x -aux", "ps -f json x -o pid --help"])
def test_what_follows_the_id_of_kill_and_ps_is_no_option_of_ours(line):
    found = fast.read(line.split())
    assert found is not None
    assert found.words[0] == "x"
    assert found == full.read(line.split())


def test_a_value_may_begin_with_a_dash_or_be_empty():
    assert fast.read(["create", "--bundle", "--help", "x"]).options == {"bundle": "--help"}
    assert fast.read(["create", "--bundle=", "x"]).options == {"bundle": ""}
    assert fast.read(["create", "--bundle=a=b", "x"]).options == {"bundle": "a=b"}


@pytest.mark.parametrize("line", ["--version", "-v", "--version state", "-v nosuch --x"])
def test_the_version_is_asked_for_whatever_follows_as_in_runc(line):
    found = fast.read(line.split())
    assert found == Line({"version": True}, "version", {}, ())
    assert found == full.read(line.split())


def test_a_number_is_read_as_one():
    assert fast.read(["create", "--preserve-fds", "0", "x"]).options == {"preserve_fds": 0}
    assert fast.read(["create", "--preserve-fds=12", "x"]).options == {"preserve_fds": 12}
