"""The command line for people, by click."""

import subprocess
import sys

import pytest

from pyruntime.command import full, grammar
from pyruntime.command.grammar import Line

START = "from pyruntime.main import launched; launched()"


def refused(line):
    with pytest.raises(full.Misread) as refusal:
        full.read(line.split())
    return refusal.value


@pytest.mark.parametrize(
    ("line", "text", "code"),
    [
        ("nosuch", "No help topic for 'nosuch'", 3),
        ("help nosuch", "No help topic for 'nosuch'", 3),
        ("craete x", "No help topic for 'craete' (did you mean create?)", 3),
        ("create -x y", "flag provided but not defined: -x", 1),
        ("--xyz create y", "flag provided but not defined: -xyz", 1),
        ("list --format", "flag needs an argument: --format", 1),
        ("create", 'pyruntime: "create" requires exactly 1 argument(s)', 1),
        ("list x", 'pyruntime: "list" requires exactly 0 argument(s)', 1),
        ("kill", 'pyruntime: "kill" requires a minimum of 1 argument(s)', 1),
        ("kill a b c", 'pyruntime: "kill" requires a maximum of 2 argument(s)', 1),
    ],
)
def test_a_wrong_line_is_refused_in_runcs_words(line, text, code):
    failure = refused(line)
    assert (failure.say(), failure.code) == (text, code)


def test_a_wrong_number_of_words_shows_the_help_on_standard_output(capfd):
    refused("create")
    shown = capfd.readouterr().out
    assert shown.startswith("Incorrect Usage.\n\n")
    assert "Usage: pyruntime create [OPTIONS] ID" in shown
    assert "--bundle" in shown


def test_an_unknown_option_shows_the_help_of_its_command_and_suggests(capfd):
    failure = refused("create --bundel /b x")
    assert "--bundle" in failure.say()
    shown = capfd.readouterr().out
    assert shown.startswith("Incorrect Usage: flag provided but not defined: -bundel")
    assert "pyruntime create" in shown


def test_an_unknown_command_shows_no_help(capfd):
    refused("nosuch")
    assert capfd.readouterr().out == ""


def test_a_refusal_carries_the_global_options_so_that_it_can_be_logged():
    for rest in ("create", "create --bogus x", "create --bundle", "nosuch"):
        settings = refused(f"--debug --log /l --log-format json {rest}").settings
        assert settings == {"debug": True, "log": "/l", "log_format": "json"}


@pytest.mark.parametrize("line", ["", "--help", "-h", "help", "--debug"])
def test_the_programs_help_names_every_command(line, capfd):
    assert full.read(line.split()) == 0
    shown = capfd.readouterr().out
    assert all(f"\n  {name} " in shown for name in grammar.COMMANDS)


@pytest.mark.parametrize("command", grammar.COMMANDS)
@pytest.mark.parametrize("form", ["{} --help", "{} -h", "help {}", "{} too many --help words"])
def test_every_commands_help_names_its_options(command, form, capfd):
    line = form.format(command).split()
    if "too" in line and grammar.COMMANDS[command][3]:  # what follows is no option there
        line = [command, "--help", "too", "many"]
    assert full.read(line) == 0
    shown = capfd.readouterr().out
    assert f"Usage: pyruntime {command}" in shown
    for option in grammar.COMMANDS[command][5]:
        assert (f"--{option[0][0]} " in shown) == (grammar.key(option) not in grammar.HIDDEN)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "create --no-pivot=false --preserve-fds 010 x",
            Line({}, "create", {"preserve_fds": 8}, ("x",)),
        ),
        ("run -no-subreaper x", Line({}, "run", {"no_subreaper": True}, ("x",))),
        ("kill x -9", Line({}, "kill", {}, ("x", "-9"))),
        ("kill x --all", Line({}, "kill", {}, ("x", "--all"))),
        ("state -- --odd", Line({}, "state", {}, ("--odd",))),
        ("state --root /r x", Line({"root": "/r"}, "state", {}, ("x",))),
        ("create --bundle --help x", Line({}, "create", {"bundle": "--help"}, ("x",))),
        ("--version=1", Line({"version": True}, "version", {}, ())),
        ("--log-format json -v", Line({"log_format": "json", "version": True}, "version", {}, ())),
    ],
)
def test_odd_spellings_are_read(line, expected):
    assert full.read(line.split()) == expected


def test_an_empty_value_and_an_empty_word_are_kept():
    assert full.read(["state", ""]) == Line({}, "state", {}, ("",))
    assert full.read(["create", "--bundle", "", "x"]).options == {"bundle": ""}


def completion(words, number):
    env = {"_PYRUNTIME_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    done = subprocess.run(
        [sys.executable, "-c", START], env=env, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_the_shell_completes_commands_and_options():
    assert completion("pyruntime st", 1) == {"start", "state", "stats"}
    assert completion("pyruntime create --pid", 2) == {"--pidfd-socket", "--pid-file"}
    assert "--systemd-cgroup" in completion("pyruntime --s", 1)


def test_the_shells_completion_script_is_printed():
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={"_PYRUNTIME_COMPLETE": "zsh_source"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "#compdef pyruntime" in done.stdout
