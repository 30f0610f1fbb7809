"""What root of a new user namespace could reach, by owners and modes of directories."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from pyruntime.container import closed
from pyruntime.feature.mounts import MountStep
from pyruntime.feature.usernamespace import UserNamespaceStep

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
FIRST = 100_000


def planned(tree, *sources, uids=f"0 {FIRST} 10\n", gids=f"0 {FIRST} 10\n"):
    return SimpleNamespace(
        user=UserNamespaceStep(uids, gids, 0),
        rootfs=SimpleNamespace(directory=f"{tree}/rootfs"),
        mounts=[MountStep(f"/{number}", "bind", str(each)) for number, each in enumerate(sources)],
    )


@pytest.fixture
def tree():
    """A directory with a rootfs in it, to which everybody can walk."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o755)
        os.mkdir(f"{place}/rootfs", 0o755)
        os.chmod(f"{place}/rootfs", 0o755)
        yield Path(place)


def test_the_way_counts_and_not_what_is_at_its_end(tree):
    data = tree / "data"
    data.mkdir(0o700)
    assert closed.ways(planned(tree, data, tree / "missing", data / "below")) == [f"{data}/below"]
    tree.chmod(0o700)
    assert closed.ways(planned(tree, "/usr", data, data)) == [f"{tree}/rootfs", str(data)]


def test_links_are_followed(tree):
    (tree / "data").mkdir(0o700)
    (tree / "link").symlink_to("data/below")
    assert closed.ways(planned(tree, tree / "link")) == [f"{tree}/link"]


@ROOT
@pytest.mark.parametrize(
    ("mode", "uid", "gid", "is_open"),
    [
        (0o001, 0, 0, True),
        (0o770, 0, 0, False),
        (0o700, FIRST, 0, True),
        (0o077, FIRST, 0, False),
        (0o010, 0, FIRST, True),
        (0o701, 0, FIRST, False),
        (0o000, FIRST + 9, FIRST + 9, True),  # by its capabilities, where both are mapped
        (0o700, FIRST + 9, 0, False),
        (0o700, FIRST + 10, FIRST, False),
    ],
)
def test_the_class_of_root_inside_decides(tree, mode, uid, gid, is_open):
    data = tree / "data"
    data.mkdir()
    os.chown(data, uid, gid)
    data.chmod(mode)
    assert closed.ways(planned(tree, data / "x")) == [f"{data}/x"] * (not is_open)


def test_a_rootfs_that_is_closed_itself_is_told_with_its_user(tree):
    assert closed.rootfs(planned(tree)) == ""
    (tree / "rootfs").chmod(0o700)
    assert closed.rootfs(planned(tree)).endswith(f"the container's root, which is uid {FIRST} of the host")


def test_without_a_user_namespace_nothing_is_looked_at():
    plan = SimpleNamespace(user=None)
    assert (closed.ways(plan), closed.rootfs(plan)) == ([], "")
