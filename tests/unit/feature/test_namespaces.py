"""Planning the namespaces, and telling them apart."""

import os

import pytest

from pyruntime import errors
from pyruntime.feature import namespaces
from pyruntime.kernel import process


def planned(*entries):
    """Return the step of (type, path) pairs."""
    wishes = [{"type": kind, **({"path": path} if path is not None else {})} for kind, path in entries]
    return namespaces.plan({"linux": {"namespaces": wishes}})


def test_without_a_list_all_are_the_callers():
    for config in ({}, {"linux": {}}, {"linux": {"namespaces": []}}):
        step = namespaces.plan(config)
        assert (step.new, step.paths, step.clone_flags()) == ((), {}, 0)
        assert step.describe() == "enter namespaces: none, all are the caller's"


def test_a_path_means_to_join_and_none_to_make():
    step = planned(("pid", None), ("network", "/run/netns/x"), ("ipc", ""))
    assert (step.new, step.paths) == (("pid", "ipc"), {"network": "/run/netns/x"})
    assert step.describe() == "enter namespaces: new pid, new ipc, network of /run/netns/x"
    assert [kind for kind in ("pid", "network", "ipc", "uts", "mount") if step.has(kind)] == [
        "pid", "network", "ipc"
    ]  # fmt: skip


def test_all_new_ones_are_made_with_the_child_but_the_time_namespace():
    every = planned(*((kind, None) for kind in ("pid", "network", "mount", "ipc", "uts", "cgroup", "time")))
    assert every.clone_flags() == (
        process.CLONE_NEWPID | process.CLONE_NEWNET | process.CLONE_NEWNS | process.CLONE_NEWIPC
        | process.CLONE_NEWUTS | process.CLONE_NEWCGROUP
    )  # fmt: skip
    assert planned(("time", None), ("uts", "/x")).clone_flags() == 0


def test_beside_a_new_user_namespace_those_whose_files_have_owners_are_made_later():
    every = planned(
        *((kind, None) for kind in ("pid", "network", "mount", "ipc", "uts", "cgroup", "time", "user"))
    )
    assert every.clone_flags() == (
        process.CLONE_NEWUSER | process.CLONE_NEWPID | process.CLONE_NEWNS | process.CLONE_NEWCGROUP
    )
    assert every.later_flags() == process.CLONE_NEWNET | process.CLONE_NEWIPC | process.CLONE_NEWUTS
    joining = planned(("user", None), ("network", "/x"), ("uts", None))
    assert (joining.clone_flags(), joining.later_flags()) == (process.CLONE_NEWUSER, process.CLONE_NEWUTS)


def test_features_names_the_types_that_are_built():
    assert namespaces.known() == ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]


def test_paths_are_opened_and_their_types_verified():
    step = planned(("network", "/proc/self/ns/net"), ("uts", "/proc/self/ns/uts"), ("ipc", None))
    opened = namespaces.open_paths(step)
    assert sorted(opened) == ["network", "uts"]
    for kind, name in (("network", "net"), ("uts", "uts")):
        known, wanted = os.fstat(opened[kind]), os.stat(f"/proc/self/ns/{name}")
        assert (known.st_dev, known.st_ino) == (wanted.st_dev, wanted.st_ino)
        assert not os.get_inheritable(opened[kind])
        os.close(opened[kind])


@pytest.mark.parametrize(
    ("kind", "path", "told"),
    [
        ("ipc", "/proc/self/ns/uts", "the file is not a namespace of type ipc"),
        ("pid", "/proc/self/ns/net", "the file is not a namespace of type pid"),
        ("uts", "/dev/null", "the file is not a namespace of type uts"),
        ("uts", "/", "the file is not a namespace of type uts"),
        ("uts", "/no/such", "no such file or directory"),
    ],
)
def test_what_is_no_such_namespace_is_refused_by_name(kind, path, told):
    before = os.listdir("/proc/self/fd")
    with pytest.raises(errors.KernelError) as caught:
        namespaces.open_paths(planned((kind, path)))
    assert caught.value.say().startswith(f"join the {kind} namespace {path}: ")
    assert told in caught.value.say()
    assert len(os.listdir("/proc/self/fd")) == len(before)
