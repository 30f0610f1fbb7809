"""The tables of options and commands."""

import pytest

from pyruntime.command import grammar

KINDS = {"flag", "number", "path", "text", "texts"}
# runc(8), and crun's and older runcs' where callers pass them.
EXPECTED = {
    "create": "bundle b console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds",
    "start": "",
    "state": "",
    "kill": "all a",
    "delete": "force f",
    "ps": "format f",
    "wait": "",
    "events": "interval stats network",
    "stats": "format f watch w interval",
    "pause": "",
    "resume": "",
    "run": "bundle b console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds"
    " detach d keep no-subreaper",
    "exec": "console-socket pidfd-socket cwd env e tty t user u additional-gids g process p detach d"
    " pid-file process-label apparmor no-new-privs cap c preserve-fds cgroup ignore-paused",
    "list": "format f quiet q",
    "spec": "bundle b file f rootless",
    "validate": "format f",
    "plan": "format f",
    "features": "",
    "update": "resources r blkio-weight cpu-period cpu-quota cpu-burst cpu-share cpu-rt-period"
    " cpu-rt-runtime cpuset-cpus cpuset-mems memory cpu-idle memory-reservation memory-swap"
    " pids-limit l3-cache-schema mem-bw-schema kernel-memory kernel-memory-tcp",
}


@pytest.mark.parametrize("command", EXPECTED)
def test_a_command_has_runcs_options(command):
    names = {name for option in grammar.COMMANDS[command][5] for name in option[0]}
    assert names == set(EXPECTED[command].split())


def test_there_are_these_commands_and_no_others():
    assert set(grammar.COMMANDS) == set(EXPECTED)


def test_the_global_options_are_runcs_and_what_else_callers_pass():
    names = {name for option in grammar.GLOBAL for name in option[0]}
    assert names == {
        "debug",
        "log",
        "log-format",
        "log-level",
        "root",
        "systemd-cgroup",
        "cgroup-manager",
        "rootless",
        "criu",
        "version",
        "v",
    }


@pytest.mark.parametrize("options", [grammar.GLOBAL, *(c[5] for c in grammar.COMMANDS.values())])
def test_names_are_unique_and_every_option_is_explained(options):
    names = [name for option in options for name in option[0]]
    assert len(names) == len(set(names))
    for _, kind, word, sentence in options:
        assert kind in KINDS
        assert sentence
        assert bool(word) == (kind != "flag")


def test_lines_are_compared_by_content():
    line = grammar.Line({}, "kill", {"all": True}, ("x",))
    assert line == grammar.Line({}, "kill", {"all": True}, ("x",))
    assert line != grammar.Line({}, "kill", {}, ("x",))
    assert repr(line) == "Line({}, 'kill', {'all': True}, ('x',))"
