"""Go's spellings of a command line."""

import pytest

from pyruntime.command import respell


@pytest.mark.parametrize(
    ("line", "spelt"),
    [
        ("state x", "-- state -- x"),
        ("-root /r state x", "--root=/r -- state -- x"),
        ("--debug=true --root=/a --root /b state x", "--debug --root=/b -- state -- x"),
        ("create -b /b x", "-- create --bundle=/b -- x"),
        ("create --b=/b x", "-- create --bundle=/b -- x"),
        ("create x -no-pivot --bundle --help", "-- create --bundle=--help --no-pivot -- x"),
        ("create --no-pivot --no-pivot=F x", "-- create -- x"),
        ("create --no-pivot= x", "-- create --no-pivot -- x"),
        ("create --preserve-fds 0x10 x", "-- create --preserve-fds=16 -- x"),
        ("delete x -- --force", "-- delete -- x --force"),
        ("kill -a x --all", "-- kill --all -- x --all"),
        ("kill x -9", "-- kill -- x -9"),
        ("kill -9 --all", "-- kill -- -9 --all"),
        ("state - x", "-- state -- - x"),
        ("state --root /r x", "--root=/r -- state -- x"),
        ("--debug state --debug=false x", "-- state -- x"),
        ("--rootless auto spec --rootless", "--rootless=auto -- spec --rootless --"),
        ("create --bogus=1 x", "-- create --bogus -- x"),
        ("state -v x", "-- state --v -- x"),
        ("--bogus state x", "--bogus -- state -- x"),
        ("--bogus nosuch", "--bogus"),
        ("", "--help"),
        ("--debug", "--debug --help"),
        ("-h", "--help"),
        ("help", "--help"),
        ("help kill", "-- kill --help"),
        ("kill --help x y z", "-- kill --help"),
        ("-v", "--version"),
        ("--root /r --version state x", "--version"),
        ("--version=false state x", "-- state -- x"),
    ],
)
def test_a_line_is_respelt(line, spelt):
    assert respell.line(line.split())[0] == spelt.split()


@pytest.mark.parametrize("value", ["1", "t", "T", "TRUE", "true", "True"])
def test_gos_words_for_true(value):
    assert respell.line([f"--debug={value}", "list"])[0] == ["--debug", "--", "list", "--"]


@pytest.mark.parametrize("value", ["0", "f", "F", "FALSE", "false", "False"])
def test_gos_words_for_false(value):
    assert respell.line([f"--debug={value}", "list"])[0] == ["--", "list", "--"]


@pytest.mark.parametrize(
    ("line", "text", "where"),
    [
        ("--root", "flag needs an argument: --root", ""),
        ("create -bundle", "flag needs an argument: -bundle", "create"),
        ("list x --format", "flag needs an argument: --format", "list"),
        ("--debug=yes list", 'invalid value "yes" for flag -debug: invalid syntax', ""),
        (
            "create -preserve-fds x y",
            'invalid value "x" for flag -preserve-fds: invalid syntax',
            "create",
        ),
        (
            "create --preserve-fds -1 y",
            'invalid value "-1" for flag -preserve-fds: invalid syntax',
            "create",
        ),
        ("create --=x y", "flag provided but not defined: --=x", "create"),
    ],
)
def test_what_cannot_be_respelt_is_refused_with_its_place(line, text, where):
    with pytest.raises(respell.Misspelt) as refusal:
        respell.line(line.split())
    assert str(refusal.value) == text
    assert refusal.value.command == where


def test_a_refusal_knows_the_global_options_before_it():
    with pytest.raises(respell.Misspelt) as refusal:
        respell.line(["--log", "/l", "--log-format", "json", "create", "--bundle"])
    assert refusal.value.settings == {"log": "/l", "log-format": "json"}


def test_an_unknown_command_is_refused_with_exit_code_3():
    with pytest.raises(respell.NoSuchCommand) as refusal:
        respell.line(["--debug", "nosuch"])
    assert (str(refusal.value), refusal.value.code) == ("nosuch", 3)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("010", 8),
        ("0o10", 8),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("+5", 5),
        ("-5", -5),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_numbers_are_read_by_gos_rule(text, value):
    assert respell.number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "x", "1.5", "08", " 1", "1 ", "--5", "+-5", "٣", "9223372036854775808", "_1", "1__0"],
)
def test_what_is_no_number_to_go_is_none(text):
    with pytest.raises(ValueError):
        respell.number(text)
