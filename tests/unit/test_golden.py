"""The plans of ten bundles as engines write them, held to the texts in tests/golden/.

Each NAME.txt there is what `plan` says of a configuration: NAME.json beside it, or one of bundles/.
The machine is made up, so no root and no particular one is needed; the compiled filter is a fixed
number of bytes, since its true size is libseccomp's affair. After a wanted change of the words:

    /usr/bin/python3 tests/unit/test_golden.py

writes the texts anew. Read the difference aloud: they are for people.

    plain        pyruntime spec
    podman       podman run with volumes
    docker       docker run -it --memory --cpus --pids-limit, on a host without AppArmor
    containerd   ctr run
    pod-sandbox  the pause container of a pod, by containerd's CRI
    pod-sidecar  a container in that pod, its cgroup by systemd
    systemd      podman run --systemd=always with SELinux
    rootless     podman run -it --userns=keep-id, looked at by a user
    privileged   docker run --privileged --network=host --pid=host, on a host with cgroup v1 only
    gpu          docker run --gpus, by CDI; a hook is not installed
"""

import json
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(path) for path in (TREE, TREE / "tests") if str(path) not in sys.path]

import pytest  # noqa: E402 - needs the path above

from pyruntime.command import plan  # noqa: E402
from pyruntime.container import validate  # noqa: E402
from pyruntime.container.plan import Wishes  # noqa: E402
from pyruntime.container.surroundings import Surroundings  # noqa: E402
from pyruntime.feature.cgroup import filesystem  # noqa: E402
from pyruntime.feature.confinement import Modules  # noqa: E402
from pyruntime.feature.host import Host  # noqa: E402
from pyruntime.kernel import door  # noqa: E402

GOLDEN = TREE / "tests" / "golden"
ROOT = Host(0, "/sys/fs/cgroup", "/system.slice/engine.service", (6, 12), 40)
USER = Host(1000, "/sys/fs/cgroup", "/user.slice/user-1000.slice/session-2.scope", (6, 12), 40)
OLD = Host(0, "", "", (6, 12), 40)
GONE = "no such file or directory"
PROGRAM = bytes(8 * 1000)
APPARMOR = Modules("attr/apparmor/exec", selinux=False)
SELINUX = Modules("", selinux=True)

# name: (config, host, what else there is)
CASES = {
    "plain": ("bundles/plain/config.json", ROOT, {}),
    "podman": ("bundles/podman-like/config.json", ROOT, {"filter": PROGRAM, "kept": True}),
    "docker": ("tests/golden/docker.json", ROOT, {"filter": PROGRAM}),
    "containerd": ("tests/golden/containerd.json", ROOT, {"modules": APPARMOR}),
    "pod-sandbox": ("tests/golden/pod-sandbox.json", ROOT, {"filter": PROGRAM}),
    "pod-sidecar": ("tests/golden/pod-sidecar.json", ROOT, {"filter": PROGRAM, "kept": True}),
    "systemd": (
        "tests/golden/systemd.json",
        ROOT,
        {"filter": PROGRAM, "modules": SELINUX, "selinux": True},
    ),
    "rootless": (
        "tests/golden/rootless.json",
        USER,
        {
            "gid": 1000,
            "capabilities": 0,
            "filter": PROGRAM,
            "limits": {"RLIMIT_NOFILE": 524288, "RLIMIT_NPROC": 63000},
            "oom_score": 200,
            "closed": [
                "/home/me/.local/share/containers/storage/overlay/6a2d/merged",
                "/home/me/work",
            ],
        },
    ),
    "privileged": ("tests/golden/privileged.json", OLD, {}),
    "gpu": (
        "tests/golden/gpu.json",
        ROOT,
        {"filter": PROGRAM, "faults": {"/usr/bin/nvidia-cdi-hook": GONE}},
    ),
}


def foretold(name):
    """Return what `plan` would say, with the machine made up."""
    file, host, there = CASES[name]
    config = json.loads((TREE / file).read_text())
    report = validate.validate(config, "/bundle")
    assert report.problems == []
    state = "/run/user/1000/pyruntime" if host.euid else "/run/pyruntime"

    def look(_plan, host, _root):
        return Surroundings(host, **there)

    by_systemd = filesystem.is_unit(config["linux"].get("cgroupsPath", ""))
    wishes = Wishes(
        no_pivot=False, no_new_keyring=False, preserve=0, waits=True,
        cgroups="systemd" if by_systemd else "cgroupfs",
    )  # fmt: skip
    made = plan.prospect(config, "/bundle", state, host, look, wishes=wishes)
    made.warnings = [f"{place}: {said}" if place else said for place, said in report.warnings]
    return made


@pytest.fixture(autouse=True)
def one_machine(monkeypatch):
    """The name of a compiled filter depends on the processor."""
    monkeypatch.setattr(door, "MACHINE", "x86_64")


@pytest.mark.parametrize("name", CASES)
def test_the_plan_is_told_as_it_was_read_and_approved(name):
    assert plan.text(foretold(name)) == (GOLDEN / f"{name}.txt").read_text()


def test_every_file_there_belongs_to_a_case():
    names = {path.name for path in GOLDEN.iterdir()}
    own = {Path(file).name for file, _, _ in CASES.values() if file.startswith("tests/golden/")}
    assert names == own | {f"{name}.txt" for name in CASES}


if __name__ == "__main__":
    door.MACHINE = "x86_64"
    for case in CASES:
        (GOLDEN / f"{case}.txt").write_text(plan.text(foretold(case)))
