"""The default state root."""

import posix
import stat

import pytest

from pyruntime import errors
from pyruntime.command import roots


@pytest.fixture
def as_user(monkeypatch):
    def become(uid, in_user_namespace):
        monkeypatch.setattr(posix, "geteuid", lambda: uid)
        monkeypatch.setattr(roots, "_in_user_namespace", lambda: in_user_namespace)

    return become


XDG = {b"XDG_RUNTIME_DIR": b"/run/user/1000"}
SYSTEM, USERS = "/run/pyruntime", "/run/user/1000/pyruntime"


@pytest.mark.parametrize(
    ("uid", "inside", "environment", "root"),
    [
        (0, False, {}, SYSTEM),
        (0, False, XDG, SYSTEM),
        (1000, False, XDG, USERS),
        (1000, False, {}, SYSTEM),
        (1000, False, {b"XDG_RUNTIME_DIR": b""}, SYSTEM),
        (0, True, XDG, USERS),
        (0, True, {**XDG, b"USER": b"me"}, USERS),
        (0, True, {**XDG, b"USER": b"root"}, SYSTEM),
    ],
)
def test_the_root_is_runcs_choice(as_user, uid, inside, environment, root):
    as_user(uid, inside)
    assert roots.default(environment) == root


def test_a_users_root_is_made_private_and_sticky(tmp_path):
    root = tmp_path / "missing" / "pyruntime"
    roots.prepare(str(root))
    assert stat.S_IMODE(root.stat().st_mode) == 0o1700
    roots.prepare(str(root))


def test_a_root_that_cannot_be_made_is_told_with_its_cure(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.KernelError) as failure:
        roots.prepare(f"{tmp_path}/file/pyruntime")
    assert "make the state root" in failure.value.say()
    assert "not a directory" in failure.value.say()


def test_the_machines_root_is_left_to_the_store(monkeypatch):
    monkeypatch.setattr(posix, "mkdir", lambda *_: pytest.fail("made"))
    roots.prepare(SYSTEM)


def test_an_id_map_of_the_whole_range_is_the_first_user_namespace(monkeypatch, tmp_path):
    for text, inside in [
        ("         0          0 4294967295\n", False),
        ("         0       1000          1\n", True),
        ("0 100000 65536\n", True),
    ]:
        (tmp_path / "uid_map").write_text(text)
        descriptor = posix.open(tmp_path / "uid_map", posix.O_RDONLY)
        with monkeypatch.context() as patch:
            patch.setattr(posix, "open", lambda *_, found=descriptor: found)
            assert roots._in_user_namespace() is inside
