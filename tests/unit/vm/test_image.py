"""The guest's image in its cache: when it is built, by whom, and what is left of builds that fail."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[3] / "integration/vm"
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

import image  # noqa: E402 - needs the path above


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache and a recipe of one file, for a QEMU that need not be there."""
    recipe = tmp_path / "vm/recipe"
    recipe.mkdir(parents=True)
    (recipe / "build").write_text("install the packages")
    monkeypatch.setattr(image, "HERE", tmp_path / "vm")
    monkeypatch.setattr(image, "RECIPE", recipe)
    monkeypatch.setattr(image, "STATES", ())
    monkeypatch.setattr(image.hardware, "version", lambda: "QEMU 7.2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return image.cache()


@pytest.fixture
def builds(cache, monkeypatch):
    """The images that were built, in place of building any."""
    done = []

    def build(made):
        made.mkdir()
        (made / "disk.img").touch()
        (made / "used").touch()
        done.append(made.name)

    monkeypatch.setattr(image, "build", build)
    return done


def test_an_image_is_built_once(builds):
    first = image.built()
    assert image.built() == first
    assert builds == [first.name]
    assert first.parent == image.cache()


def test_what_it_is_made_from_names_it(cache, monkeypatch):
    names = {image.name()}
    (image.RECIPE / "build").write_text("install the packages, too")
    names.add(image.name())
    (image.RECIPE / "build").chmod(0o755)
    names.add(image.name())
    (image.RECIPE / "build").rename(image.RECIPE / "make")
    names.add(image.name())
    (image.RECIPE / "packages").write_text("")
    names.add(image.name())
    monkeypatch.setattr(image.hardware, "version", lambda: "QEMU 10")
    names.add(image.name())
    assert len(names) == 6


def test_byte_code_beside_it_changes_nothing(cache):
    before = image.name()
    (image.RECIPE / "__pycache__").mkdir()
    (image.RECIPE / "__pycache__/vmlinux.cpython-311.pyc").write_text("")
    assert image.name() == before


def test_those_that_were_used_last_are_kept_and_those_in_use(builds):
    made = []
    for number in range(4):
        (image.RECIPE / "build").write_text(str(number))
        made.append(image.built())
        os.utime(made[-1], (number, number))
        if number == 0:
            used = open(made[0] / "used", "w")  # noqa: SIM115 - for the whole of the test
            fcntl.flock(used, fcntl.LOCK_SH)
    assert [path.exists() for path in made] == [True, False, True, True]
    used.close()
    image.remove_old(made[-1])
    assert [path.exists() for path in made] == [False, False, True, True]


def test_one_build_waits_for_another(cache):
    """The second finds what the first has built."""
    script = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
import image
image.hardware.version = lambda: "QEMU"
def build(made):
    print("builds", flush=True)
    time.sleep(0.5)
    made.mkdir()
image.build = build
print(image.built().name)
"""
    command = [sys.executable, "-B", "-c", script]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = sorted(each.communicate(timeout=60)[0].split() for each in both)
    assert [each.returncode for each in both] == [0, 0]
    assert sorted(map(len, told)) == [1, 2]
    assert len({words[-1] for words in told}) == 1


def test_a_lock_that_a_build_has_left_to_its_processes_is_waited_for(cache, monkeypatch):
    """Whoever is killed leaves processes that still write: they hold the lock until they end."""
    with image.alone():
        holder = subprocess.Popen(["sleep", "60"], close_fds=False)
    with open(cache / "lock") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        holder.kill()
        holder.wait()
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may build")
def test_a_build_that_fails_leaves_nothing_and_says_so(cache, capfd):
    (image.RECIPE / "build").write_text("#!/bin/sh\ntouch $1/half $2/half; echo no mirror >&2; exit 1\n")
    (image.RECIPE / "build").chmod(0o755)
    with pytest.raises(SystemExit, match="could not be built"):
        image.built()
    assert "no mirror" in capfd.readouterr().err
    assert sorted(path.name for path in cache.iterdir()) == ["lock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may build")
def test_mounts_of_a_build_are_its_own_and_what_was_killed_is_cleared(cache, monkeypatch):
    """The build is killed as the machine would kill it, with a mount in its tree."""
    place = cache / "building-old"
    place.mkdir()
    (image.RECIPE / "build").write_text(
        "#!/bin/sh\nmkdir $1/proc; mount -t proc proc $1/proc; echo $$ >$1/inside; exec sleep 60\n"
    )
    (image.RECIPE / "build").chmod(0o755)
    script = f"import sys; sys.path[:0] = [{str(HERE)!r}]; import image; image.RECIPE = image.Path({str(image.RECIPE)!r})\n"
    script += "image.hardware.version = lambda: ''; image.STATES = (); image.HERE = image.RECIPE; image.built()"
    with subprocess.Popen([sys.executable, "-B", "-c", script], stderr=subprocess.DEVNULL) as killed:
        limit = time.monotonic() + 60
        while not list(cache.glob("building-*/inside")):
            assert time.monotonic() < limit, "the build does not begin"
            time.sleep(0.01)
        assert not place.exists()
        assert str(cache) not in Path("/proc/self/mountinfo").read_text()
        killed.kill()
    (left,) = cache.glob("building-*")
    with image.alone():  # all of its processes have ended
        image.remove(left)
    assert sorted(path.name for path in cache.iterdir()) == ["lock"]


def test_a_tree_with_a_mount_in_it_is_not_removed(tmp_path, monkeypatch):
    table = tmp_path / "mountinfo"
    table.write_text(f"1 2 0:3 / {tmp_path}/tree/proc rw - proc proc rw\n")
    (tmp_path / "tree/proc").mkdir(parents=True)
    opened = open
    monkeypatch.setattr("builtins.open", lambda file, *a, **k: opened(table if "mountinfo" in str(file) else file, *a, **k))
    with pytest.raises(SystemExit, match=rf"unmount {tmp_path}/tree/proc first"):
        image.remove(tmp_path / "tree")
    assert (tmp_path / "tree/proc").exists()
    table.write_text("")
    image.remove(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
