"""A bench for a caller that is not root: its bundle, its state root, its cgroups, the runtime run by it."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import busybox
import conftest

UID, GID, GROUP = 41_000, 41_001, 41_002


class Bench:
    """What a user has: all of it in a directory that everybody can walk to."""

    def __init__(self, place, launcher):
        self.place = place
        self.launcher = launcher
        conftest.CGROUPS.chmod(0o755)  # the root of the private view
        self.cgroup = conftest.CGROUPS / f"user-{os.getpid()}"
        self.delegated = False
        self._make_bundle()
        (place / "state").mkdir()
        own(place / "state")
        self.containers = conftest.Containers(place / "state")

    def _make_bundle(self):
        path = self.place / "bundle"
        busybox.bundle("plain", str(path), ["true"])
        (path / "config.json").unlink()
        own(path)
        path.chmod(0o755)
        done = self.runtime("spec", "--rootless", "--bundle", path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        self.bundle = conftest.Bundle(path)
        self.bundle.config["process"] |= {"args": ["true"], "terminal": False}

    def delegate(self):
        """Give the user a cgroup, as systemd does; what it runs begins in a cgroup below that."""
        self.cgroup.mkdir()
        (self.cgroup / "caller").mkdir()
        for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(self.cgroup / name, UID, GID)
            os.chown(self.cgroup / "caller" / name, UID, GID)
        self.delegated = True

    def runtime(self, *arguments, env=None, **options):
        """Run one command line of the program as the user."""
        variables = {"PATH": "/usr/bin:/bin"} | (env or {})
        return conftest.call(
            self.launcher, self.place / "state", *arguments,
            env=variables, cwd=self.place, preexec_fn=self.become, **options,
        )  # fmt: skip

    def become(self):
        """Become the user, in its cgroup; for `preexec_fn`."""
        if self.delegated:
            (self.cgroup / "caller" / "cgroup.procs").write_text(str(os.getpid()))
        os.setgroups([GID, GROUP])
        os.setresgid(GID, GID, GID)
        os.setresuid(UID, UID, UID)

    def end(self):
        """Delete all containers, as the user; nothing may be left."""
        for name in self.containers.ids():
            done = self.runtime("delete", "--force", name)
            assert (done.returncode, done.stderr) == (0, "")
        assert self.containers.ids() == []
        if self.delegated:
            assert sorted(each.name for each in self.cgroup.iterdir() if each.is_dir()) == ["caller"]
            (self.cgroup / "caller").rmdir()
            self.cgroup.rmdir()
        assert conftest.leaked(self.containers.before) == {}


@contextlib.contextmanager
def bench(launcher):
    """Make a bench; take it away in the end."""
    place = Path(tempfile.mkdtemp(prefix="user-", dir="/tmp"))
    place.chmod(0o755)
    try:
        made = Bench(place, launcher)
        try:
            yield made
        finally:
            made.end()
    finally:
        shutil.rmtree(place)


def own(top):
    """Give all at and below `top` to the user."""
    subprocess.run(["chown", "-hR", f"{UID}:{GID}", str(top)], check=True)


def program(place, name, script):
    """Write a shell script as a program into a directory; return the directory."""
    place.mkdir(exist_ok=True)
    file = place / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return place


def document(done):
    """Read what a command printed as JSON."""
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)
