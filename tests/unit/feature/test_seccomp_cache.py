"""Compiled filters are kept, found again, distrusted and evicted."""

import os
import stat

import pytest

from pyruntime import log
from pyruntime.feature import seccomp_cache

PROGRAM = bytes(range(8)) * 20


@pytest.fixture
def maker(tmp_path):
    path = tmp_path / "libseccomp.so"
    path.write_text("a library")
    return path


@pytest.fixture
def warnings(monkeypatch):
    told = []
    monkeypatch.setattr(log, "warning", told.append)
    return told


@pytest.fixture
def directory(tmp_path, maker, warnings):
    path = str(tmp_path / "state" / "cache" / "seccomp")
    seccomp_cache.write(path, "key", PROGRAM, [str(maker)])
    assert not warnings
    return path


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_a_program_is_found_again(directory):
    assert seccomp_cache.read(directory, "key") == PROGRAM
    assert seccomp_cache.read(directory, "other") is None
    assert os.listdir(directory) == ["key"]


def test_a_cache_that_is_not_there_has_nothing(tmp_path):
    assert seccomp_cache.read(str(tmp_path / "missing"), "key") is None


def test_all_is_closed_to_others(directory):
    assert mode(directory) == mode(os.path.dirname(directory)) == 0o700
    assert mode(f"{directory}/key") == 0o600


@pytest.mark.parametrize("umask", [0, 0o077, 0o277])
def test_the_umask_does_not_matter(tmp_path, maker, umask):
    path = str(tmp_path / "cache")
    os.mkdir(path, 0o700)
    before = os.umask(umask)
    try:
        seccomp_cache.write(path, "key", PROGRAM, [str(maker)])
    finally:
        os.umask(before)
    assert seccomp_cache.read(path, "key") == PROGRAM


def test_a_later_program_takes_the_place_of_an_earlier_one(directory, maker):
    seccomp_cache.write(directory, "key", PROGRAM * 2, [str(maker)])
    assert seccomp_cache.read(directory, "key") == PROGRAM * 2


def test_another_library_makes_it_unknown(directory, maker):
    maker.write_text("a newer library")
    assert seccomp_cache.read(directory, "key") is None


def test_the_same_library_rewritten_makes_it_unknown(directory, maker):
    os.utime(maker, ns=(1, 1))
    assert seccomp_cache.read(directory, "key") is None


def test_a_removed_library_makes_it_unknown(directory, maker):
    maker.unlink()
    assert seccomp_cache.read(directory, "key") is None


@pytest.mark.parametrize("permissions", [0o640, 0o604, 0o700, 0o4600])
def test_a_file_that_others_may_open_is_not_believed(directory, permissions):
    os.chmod(f"{directory}/key", permissions)
    assert seccomp_cache.read(directory, "key") is None


@pytest.mark.parametrize("permissions", [0o750, 0o701, 0o777])
def test_a_directory_that_others_may_open_is_not_used(directory, maker, warnings, permissions):
    os.chmod(directory, permissions)
    assert seccomp_cache.read(directory, "key") is None
    seccomp_cache.write(directory, "new", PROGRAM, [str(maker)])
    assert warnings == [
        f"the compiled seccomp filter is not kept in {directory}: the directory is not this user's alone"
    ]
    assert os.listdir(directory) == ["key"]


def test_what_belongs_to_another_user_is_not_believed(directory, maker, warnings, monkeypatch):
    monkeypatch.setattr(seccomp_cache.posix, "geteuid", lambda: os.getuid() + 1)
    assert seccomp_cache.read(directory, "key") is None
    seccomp_cache.write(directory, "new", PROGRAM, [str(maker)])
    assert warnings


def test_links_are_not_followed(directory, tmp_path):
    os.rename(f"{directory}/key", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", f"{directory}/key")
    assert seccomp_cache.read(directory, "key") is None
    os.symlink(directory, tmp_path / "link")
    os.unlink(f"{directory}/key")
    os.rename(tmp_path / "elsewhere", f"{directory}/key")
    assert seccomp_cache.read(directory, "key") == PROGRAM
    assert seccomp_cache.read(str(tmp_path / "link"), "key") is None


def test_a_fifo_does_not_block(directory):
    os.unlink(f"{directory}/key")
    os.mkfifo(f"{directory}/key", 0o600)
    assert seccomp_cache.read(directory, "key") is None


def damaged(whole):
    """Yield what a crash, a full disk or a finger may leave."""
    yield b""
    yield whole[:-1]
    yield whole[:-8]
    yield whole + bytes(8)
    yield whole.partition(b"\n")[0] + b"\n"
    yield whole.partition(b"\n")[2]
    yield bytes(len(whole))
    yield whole.replace(b"\t", b"\n", 1)
    yield whole.partition(b"\t")[0] + b"\n" + whole.partition(b"\n")[2]
    yield b"\xff\xfe\n" + whole


def test_a_damaged_file_is_not_believed(directory):
    path = f"{directory}/key"
    with open(path, "rb") as file:
        whole = file.read()
    for content in damaged(whole):
        with open(path, "wb") as file:
            file.write(content)
        assert seccomp_cache.read(directory, "key") is None, content[:80]
    with open(path, "wb") as file:
        file.write(whole)
    assert seccomp_cache.read(directory, "key") == PROGRAM


def test_the_oldest_are_evicted_over_one_mebibyte(directory, maker):
    half = bytes(8) * (1 << 15)  # 256 KiB
    for age, name in enumerate(["c", "a", "d", "b"]):
        seccomp_cache.write(directory, name, half, [str(maker)])
        os.utime(f"{directory}/{name}", ns=(age + 1, age + 1))
    os.utime(f"{directory}/key", ns=(0, 0))
    seccomp_cache.write(directory, "last", half, [str(maker)])
    assert sorted(os.listdir(directory)) == ["b", "d", "last"]
    assert sum(os.lstat(f"{directory}/{name}").st_size for name in os.listdir(directory)) <= 1 << 20


def test_a_place_that_cannot_be_written_only_warns(tmp_path, maker, warnings):
    (tmp_path / "file").write_text("")
    seccomp_cache.write(f"{tmp_path}/file/cache", "key", PROGRAM, [str(maker)])
    assert len(warnings) == 1
    assert warnings[0].startswith(
        f"the compiled seccomp filter is not kept in {tmp_path}/file/cache: "
    )


def test_a_failed_write_leaves_nothing(directory, maker, warnings, monkeypatch):
    monkeypatch.setattr(seccomp_cache.posix, "write", lambda descriptor, content: len(content) // 2)
    seccomp_cache.write(directory, "new", PROGRAM, [str(maker)])
    assert warnings == [f"the compiled seccomp filter is not kept in {directory}: the disk is full"]
    assert os.listdir(directory) == ["key"]


def test_a_name_that_would_break_the_line_is_not_noted(directory, tmp_path, warnings):
    odd = tmp_path / "a\tb"
    odd.write_text("")
    seccomp_cache.write(directory, "new", PROGRAM, [str(odd)])
    assert len(warnings) == 1
    assert seccomp_cache.read(directory, "new") is None


def test_no_descriptor_stays_open(directory, maker):
    before = os.listdir("/proc/self/fd")
    seccomp_cache.read(directory, "key")
    seccomp_cache.write(directory, "key", PROGRAM, [str(maker)])
    os.chmod(f"{directory}/key", 0o644)
    seccomp_cache.read(directory, "key")
    os.chmod(directory, 0o755)
    seccomp_cache.read(directory, "key")
    assert os.listdir("/proc/self/fd") == before
