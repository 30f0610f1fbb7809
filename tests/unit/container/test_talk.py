"""What parent and child say to each other: packets of a word and a text."""

import os
import socket

import pytest

from pyruntime import errors
from pyruntime.container import talk


@pytest.fixture
def ends():
    """The parent's end and the child's."""
    both = talk.pair()
    yield both
    for end in both:
        end.close()


def raw(end, packet):
    """Send bytes that no Line would."""
    with socket.socket(fileno=os.dup(end.fileno())) as plain:
        plain.send(packet)


@pytest.mark.parametrize(
    ("word", "text"),
    [("hooks", ""), ("ready", ""), ("entered", ""), ("source", "3"), ("source", "rootfs"), ("failed", "a b  c"), ("failed", "mount é"), ("failed", "two\nlines")],
)
def test_a_word_and_its_text_arrive(ends, word, text):
    parent, child = ends
    child.say(word, text)
    assert parent.hear() == (word, text)


def test_each_message_is_a_packet(ends):
    parent, child = ends
    child.say("hooks")
    child.say("ready")
    child.say("failed", "one")
    child.close()
    assert [parent.hear() for _ in range(4)] == [("hooks", ""), ("ready", ""), ("failed", "one"), None]


@pytest.mark.parametrize("word", ["pid", "listener"])
def test_the_players_numbers_come_under_their_words(ends, word):
    parent, child = ends
    raw(child, f"{word} 4711".encode())
    assert parent.hear() == (word, "4711")


@pytest.mark.parametrize(
    "packet", [b"exec /bin/x: no such file", b"hooked", b"proceed", b"-1", b"4711", b"Ready", b"pids 7", b"warn x", b"\xff\xfe"]
)
def test_anything_else_is_the_players_failure(ends, packet):
    parent, child = ends
    raw(child, packet)
    assert parent.hear() == ("failed", packet.decode("utf-8", "replace"))


def test_a_text_that_is_too_long_is_cut(ends):
    parent, child = ends
    child.say("failed", "x" * 100_000)
    word, text = parent.hear()
    assert (word, len(text)) == ("failed", talk.LONGEST - len("failed "))


def test_bytes_that_are_no_text_arrive_as_signs(ends):
    parent, child = ends
    child.say("failed", "open /\udcff")
    assert parent.hear() == ("failed", "open /?")


def test_the_child_expects_one_word(ends):
    parent, child = ends
    parent.say("proceed")
    child.expect("proceed")
    parent.say("hooked")
    with pytest.raises(errors.ChildFailed, match="^the runtime went away$"):
        child.expect("proceed")


def test_the_child_learns_of_the_parents_end(ends):
    parent, child = ends
    parent.close()
    with pytest.raises(errors.ChildFailed, match="^the runtime went away$"):
        child.expect("proceed")


def test_a_word_to_a_child_that_has_failed_is_lost_and_what_it_said_is_not(ends):
    parent, child = ends
    child.say("failed", "mount")
    child.close()
    parent.let_go_on("given")
    assert parent.hear() == ("failed", "mount")
    with pytest.raises(BrokenPipeError):
        parent.say("given")


def test_the_end_with_something_unread_is_an_end(ends):
    parent, child = ends
    parent.say("proceed")
    child.close()
    assert parent.hear() is None


def test_no_end_reaches_another_program(ends):
    assert not any(os.get_inheritable(end.fileno()) for end in ends)
