"""Paths inside a root: no link, no `..` and nothing that procfs offers leads out."""

import errno
import os
import stat

import pytest

from pyruntime.kernel import path


@pytest.fixture()
def root(tmp_path):
    """A root directory beside which something lies that nobody inside may reach."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    inside = tmp_path / "root"
    inside.mkdir()
    descriptor = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    yield inside, descriptor
    os.close(descriptor)


def where(descriptor):
    return os.readlink(f"/proc/self/fd/{descriptor}")


@pytest.mark.parametrize("target", ["../outside", "../../outside", "{outside}"])
def test_a_link_out_of_the_root_stays_inside(root, tmp_path, target):
    inside, descriptor = root
    (inside / "link").symlink_to(target.format(outside=tmp_path / "outside"))
    with pytest.raises(FileNotFoundError):
        path.resolve(descriptor, "/link/secret")


def test_dots_stop_at_the_root(root):
    inside, descriptor = root
    (inside / "file").write_text("")
    opened = path.resolve(descriptor, "/../../../file")
    assert where(opened) == str(inside / "file")


def test_magic_links_of_procfs_are_refused():
    host = os.open("/", os.O_PATH)
    with pytest.raises(OSError, match="symbolic links") as caught:
        path.resolve(host, "/proc/self/root")
    assert caught.value.errno == errno.ELOOP


def test_directories_are_made_inside_and_with_their_mode(root):
    inside, descriptor = root
    os.umask(0)
    made = path.make_directory(descriptor, "/a/../b//c/./d", 0o750)
    assert where(made) == str(inside / "b/c/d")
    assert stat.S_IMODE((inside / "b").stat().st_mode) == 0o750
    assert not (inside / "a").exists()


def test_a_dangling_link_is_followed_by_making_its_target_inside(root):
    inside, descriptor = root
    (inside / "var").mkdir()
    (inside / "var" / "run").symlink_to("/run/real")
    made = path.make_directory(descriptor, "/var/run/lock")
    assert where(made) == str(inside / "run/real/lock")


def test_a_dangling_link_out_of_the_root_makes_nothing_outside(root, tmp_path):
    inside, descriptor = root
    (inside / "evil").symlink_to(f"../../..{tmp_path}/outside/new")
    made = path.make_directory(descriptor, "/evil/x")
    assert where(made).startswith(str(inside) + "/")
    assert sorted(os.listdir(tmp_path / "outside")) == ["secret"]


def test_links_in_a_circle_end_in_an_error(root):
    inside, descriptor = root
    (inside / "one").symlink_to("two")
    (inside / "two").symlink_to("one")
    with pytest.raises(OSError, match="symbolic links") as caught:
        path.make_directory(descriptor, "/one/x")
    assert caught.value.errno == errno.ELOOP


def test_a_file_in_the_way_is_named_as_such(root):
    inside, descriptor = root
    (inside / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        path.make_directory(descriptor, "/file/x")
    with pytest.raises(NotADirectoryError):
        path.make_directory(descriptor, "/file")


def test_a_file_is_made_empty_below_made_parents(root):
    inside, descriptor = root
    os.umask(0)
    opened = path.make_file(descriptor, "/etc/new/hosts")
    assert where(opened) == str(inside / "etc/new/hosts")
    assert stat.S_IMODE((inside / "etc/new/hosts").stat().st_mode) == 0o644


def test_a_file_over_a_dangling_link_lands_inside(root):
    inside, descriptor = root
    (inside / "hosts").symlink_to("../../x")
    opened = path.make_file(descriptor, "/hosts")
    assert where(opened) == str(inside / "x")


def test_a_fifo_in_the_place_of_a_file_holds_nobody(root):
    inside, descriptor = root
    os.mkfifo(inside / "passwd")
    with pytest.raises(OSError, match="not a regular file"):
        path.read_file(descriptor, "/passwd", 100)


def test_a_file_over_the_limit_is_not_read(root):
    inside, descriptor = root
    (inside / "passwd").write_text("x" * 101)
    with pytest.raises(OSError, match="too large"):
        path.read_file(descriptor, "/passwd", 100)
    (inside / "passwd").write_text("x" * 100)
    assert path.read_file(descriptor, "/passwd", 100) == b"x" * 100


def test_the_root_itself_has_no_parent(root):
    with pytest.raises(OSError, match="no parent"):
        path.open_parent(root[1], "/../.")


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [("/", ""), ("/a/b/../c", "a/c"), ("../../x", "x"), ("a//./b/", "a/b"), ("a/../..", "")],
)
def test_paths_are_cleaned_lexically(given, cleaned):
    assert path.clean(given) == cleaned
