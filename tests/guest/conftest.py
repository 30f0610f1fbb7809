"""Tests that run in the guest only (integration/vm), as root under systemd: see `make vm-test`.

There the runtime has been installed, cgroup v2 has every controller, and nobody else uses the
machine, so no private view is made. Those marked `delegated` run as a user of systemd's.
"""

import os
import time
from pathlib import Path

import conftest
import pytest

ATTENDANT = "/opt/attendant/attendant"
INSTALLED = Path("/usr/bin/pyruntime")


def pytest_configure():
    """Refuse any other machine: there cgroups and engines would be changed that are not ours."""
    if not os.path.exists(ATTENDANT):
        raise pytest.UsageError("tests/guest runs in the guest only: make vm-test")


@pytest.fixture(scope="session")
def launcher():
    """The program that `make vm-test` has installed, which engines call too."""
    return INSTALLED


def cgroups():
    """Return the caller's cgroups, but those in which systemd runs what it likes.

    Both root and a user are tested at once. Root has all that are not a user's; a user has those
    below its own systemd, where slices stay.
    """
    user = os.geteuid()
    (top,) = conftest.CGROUPS.rglob(f"user@{user}.service") if user else [conftest.CGROUPS]
    found = {path.relative_to(top).parts for path in top.rglob("*") if path.is_dir()}
    if user:
        found = {parts for parts in found if not parts[-1].endswith(".slice")}
    else:
        found = {parts for parts in found if parts[0] != "user.slice"}
    return {str(top.joinpath(*parts)) for parts in found if not any(map(is_service, parts))}


def is_service(name):
    return name.endswith(".service") or name == "init.scope"


@pytest.fixture
def containers(containers):
    """The same, and no cgroup may be left."""
    before = cgroups()
    yield containers
    for name in containers.ids():
        conftest.call(INSTALLED, containers.root, "delete", "--force", name)
    deadline = time.monotonic() + conftest.SECONDS
    while cgroups() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sorted(cgroups() - before) == []
