"""What the parent lends to a child in a new user namespace: descriptors, for what the config names."""

import os
import socket

import pytest

from pyruntime import errors
from pyruntime.container import mapping, talk
from pyruntime.feature import mounts


@pytest.fixture
def ends():
    """The parent's end and the child's."""
    both = talk.pair()
    yield both
    for end in both:
        end.close()


class Plan:
    """As much of a plan as is asked for."""

    mounts = [  # noqa: RUF012 - never changed
        mounts.MountStep("/a", "bind", "/a"), mounts.MountStep("/b", "tmpfs", "b"),
        mounts.MountStep("/c", "bind", "/c"),
    ]  # fmt: skip


def lend(parent, descriptors):
    rights = b"".join(each.to_bytes(4, "little") for each in descriptors)
    with socket.socket(fileno=os.dup(parent.fileno())) as plain:
        plain.sendmsg([b"lent"], [(1, 1, rights)])


def test_descriptors_arrive_and_reach_no_other_program(ends, tmp_path):
    parent, child = ends
    sent = [os.open(tmp_path, os.O_PATH), os.open("/dev/null", os.O_RDONLY)]
    lend(parent, sent)
    got = mapping._borrow(child, "rootfs")
    assert parent.hear() == ("source", "rootfs")
    assert [os.fstat(each).st_ino for each in got] == [os.fstat(each).st_ino for each in sent]
    assert not any(map(os.get_inheritable, got))
    for each in (*sent, *got):
        os.close(each)


def test_only_what_cannot_be_reached_is_asked_for(ends, tmp_path, monkeypatch):
    parent, child = ends
    refuse = {"/a": PermissionError(13, "closed"), "/c": PermissionError(1, "no")}

    def bind(step):
        raise refuse[step.source]

    monkeypatch.setattr(mounts, "bind", bind)
    sent = os.open(tmp_path, os.O_PATH)
    lend(parent, [sent])
    got = mapping.binder(Plan, child)(Plan.mounts[0])
    assert parent.hear() == ("source", "0")
    with pytest.raises(PermissionError, match="no"):
        mapping.binder(Plan, child)(Plan.mounts[2])
    os.close(sent)
    os.close(got)


def test_a_parent_that_is_gone_ends_the_wait(ends):
    parent, child = ends
    with socket.socket(fileno=os.dup(parent.fileno())) as plain:
        plain.shutdown(socket.SHUT_RDWR)
    with pytest.raises((errors.ChildFailed, BrokenPipeError)):
        mapping._borrow(child, "0")


@pytest.mark.parametrize("wish", ["1", "3", "-1", "", "x", "0x0", "9" * 4000, "/etc/shadow", "¹"])
def test_nothing_but_a_bind_of_the_list_is_fetched(wish):
    """The child is ours, but sits among hostile files."""
    with pytest.raises(errors.ChildFailed, match="asked for a mount that the config has not"):
        mapping._bind(Plan, wish)


@pytest.mark.parametrize("wish", ["0", "2"])
def test_a_bind_is_known_by_its_place(wish):
    assert mapping._bind(Plan, wish) is Plan.mounts[int(wish)]
