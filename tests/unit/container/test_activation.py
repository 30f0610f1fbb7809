"""Which of the caller's descriptors the payload keeps."""

import os

import pytest

from pyruntime import errors
from pyruntime.container import activation
from pyruntime.container.caller import Caller

SELF = str(os.getpid()).encode()


def caller(*descriptors, **words):
    environment = {name.encode(): value for name, value in words.items()}
    return Caller(descriptors, environment)


def test_a_caller_hands_over_nothing_unless_it_says_so():
    assert activation.kept(caller(3, 4, 5), 0) == 0
    assert activation.words(caller(3, 4, 5)) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_are_kept_as_were_asked_for(count):
    assert activation.kept(caller(3, 4, 5, 9), count) == count


@pytest.mark.parametrize(
    ("opened", "count", "missing"),
    [((), 1, 3), ((3,), 2, 4), ((4, 5), 2, 3), ((3, 5), 3, 4), ((3, 4), 10**12, 5)],
)
def test_a_descriptor_that_the_caller_has_not_opened_is_refused(opened, count, missing):
    with pytest.raises(errors.UsageError) as refusal:
        activation.kept(caller(*opened), count)
    expected = f"--preserve-fds {count}: the caller has no open descriptor {missing}"
    assert refusal.value.say() == expected


def test_sockets_count_and_come_before_the_others():
    given = caller(3, 4, 5, LISTEN_PID=SELF, LISTEN_FDS=b"2")
    assert activation.listening(given) == 2
    assert activation.words(given) == ["LISTEN_FDS=2"]
    assert activation.addressed(activation.words(given)) == ["LISTEN_FDS=2", "LISTEN_PID=1"]
    assert activation.addressed(["A=b"], 7) == ["A=b"]
    assert activation.kept(given, 0) == 2
    assert activation.kept(given, 1) == 3
    with pytest.raises(errors.UsageError, match="no open descriptor 6"):
        activation.kept(given, 2)


def test_the_names_of_sockets_are_handed_on():
    given = caller(3, 4, LISTEN_PID=SELF, LISTEN_FDS=b"2", LISTEN_FDNAMES=b"a:b")
    assert activation.addressed(activation.words(given), 7) == [
        "LISTEN_FDS=2", "LISTEN_FDNAMES=a:b", "LISTEN_PID=7"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        {"LISTEN_FDS": b"2"},
        {"LISTEN_FDS": b"2", "LISTEN_PID": b"1"},
        {"LISTEN_FDS": b"2", "LISTEN_PID": b""},
        {"LISTEN_FDS": b"2", "LISTEN_PID": SELF + b"0"},
        {"LISTEN_FDS": b"0", "LISTEN_PID": SELF},
        {"LISTEN_FDS": b"", "LISTEN_PID": SELF},
        {"LISTEN_FDS": b"-1", "LISTEN_PID": SELF},
        {"LISTEN_FDS": b"x", "LISTEN_PID": SELF},
        {"LISTEN_PID": SELF},
    ],
)
def test_sockets_of_somebody_else_do_not_count(words):
    given = caller(3, 4, **words)
    assert activation.listening(given) == 0
    assert activation.words(given) == []
    assert activation.kept(given, 1) == 1
