"""Mount destinations under attack (CVE-2021-30465, CVE-2024-45310).

An attacker exchanges a directory with a link to the outside, removes it and renames it back, as
fast as it can, while mount points are made and mounted on below it.
"""

import collections
import contextlib
import ctypes
import errno
import os
import signal

import pytest

from pyruntime.kernel import attach, door, mount, path, process

ROUNDS = int(os.environ.get("PYRUNTIME_CASES", "4000"))
RENAME_EXCHANGE = 2
LIBC = ctypes.CDLL(None, use_errno=True)


def exchange(one, other):
    LIBC.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), RENAME_EXCHANGE)


def attack(top, outside):
    """Swap `top/shared` with a link to the outside for ever."""
    shared, link, aside = top / "shared", top / "link", top / "aside"
    link.symlink_to(outside)
    while True:
        exchange(shared, link)
        exchange(shared, link)
        try:
            os.rename(shared, aside)
            os.rename(aside, shared)
            os.rmdir(shared / "a/b")
            os.rmdir(shared / "a")
        except OSError:
            continue


def defend(root):
    """Make and mount below the attacked directory; count what each round came to."""
    outcomes = collections.Counter()
    context = mount.fsopen("tmpfs")
    tree = mount.fsmount(context)
    first = path.make_directory(root, "/holder")
    mount.move_mount(tree, first)
    while outcomes.total() < ROUNDS or (undecided(outcomes) and outcomes.total() < 50 * ROUNDS):
        clone = mount.open_tree(tree, "")
        try:
            attach.onto_directory(root, "/shared/a/b", clone)
            outcomes["mounted"] += 1
        except OSError as error:
            outcomes[errno.errorcode[error.errno]] += 1
        finally:
            if attached(clone):
                with contextlib.suppress(OSError):  # the attacker's rmdir takes it off as well
                    door.call("umount2", f"/proc/self/fd/{clone}", 2)
            os.close(clone)
    return outcomes


def undecided(outcomes):
    """Tell whether only one of the two came to anything yet, as on a machine that is busy."""
    return "mounted" not in outcomes or len(outcomes) < 2


def attached(clone):
    """Tell whether a mount has a place in the tree."""
    with open(f"/proc/self/fdinfo/{clone}") as info:
        wanted = next(line.split()[1] for line in info if line.startswith("mnt_id"))
    with open("/proc/self/mountinfo") as table:
        return any(line.split()[0] == wanted for line in table)


@pytest.mark.root
def test_no_mount_and_no_directory_ever_lands_outside(tmp_path):
    outside, top = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (top / "shared").mkdir(parents=True)
    reader, writer = os.pipe()
    defender = os.fork()
    if defender == 0:
        try:
            process.unshare(process.CLONE_NEWNS)
            mount.propagate("/", mount.MS_PRIVATE | mount.MS_REC)
            outcomes = defend(os.open(top, os.O_PATH | os.O_DIRECTORY))
            with open("/proc/self/mountinfo") as table:
                strayed = [line for line in table if f" {outside}" in line]
            os.write(writer, f"{dict(outcomes)} strayed={len(strayed)}".encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    attacker = os.fork()
    if attacker == 0:
        try:
            attack(top, outside)
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(defender, 0)
    os.kill(attacker, signal.SIGKILL)
    os.waitpid(attacker, 0)
    told = os.read(reader, 4096).decode()
    assert told.endswith("strayed=0"), told
    assert os.listdir(outside) == [], told
    assert "'mounted'" in told, told
    assert len(told.split(",")) > 1, f"the attack never hit: {told}"
