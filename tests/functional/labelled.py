"""Labels on a kernel that is said to have AppArmor or SELinux: what is written where, without a policy."""

import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
# The command line, with another file in the place of AppArmor's; "" for SELinux.
CLAIMING = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pyruntime import main
from pyruntime.feature import confinement
confinement.look = lambda: confinement.Modules(sys.argv[2], selinux=not sys.argv[2])
os._exit(main.main(sys.argv[3:]))
"""


@pytest.fixture
def claiming(bundle, containers, tmp_path):
    """Callable: create c1 with a profile, AppArmor's file being the given one of each task.

    Without a file it is SELinux that the kernel is said to have.
    """

    def create(file, *options):
        words = ["--root", str(containers.root), "create", *options]
        words += ["--bundle", str(bundle.save()), "c1"]
        with (tmp_path / "err").open("w+") as err:
            code = subprocess.call(
                ["/usr/bin/python3", "-IS", "-c", CLAIMING, str(TREE), file, *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
            )  # fmt: skip
            err.seek(0)
            return code, err.read()

    return create
