"""Run a command in a private view of the machine, as root; plainly where that cannot be.

    /usr/bin/python3 tests/in_view.py COMMAND ARGUMENTS...

The view (integration/runtime-tools/private_view.py) has its own mounts, and a cgroup2 of its own at
/sys/fs/cgroup whose root is a directory of the machine's; orphans are reaped at once. The command
learns by $PYRUNTIME_VIEW whether it has the view ("yes") or else why not; conftest.py skips the
tests that need it with those words.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VARIABLE = "PYRUNTIME_VIEW"
CGROUPS = "/sys/fs/cgroup"

sys.dont_write_bytecode = True
sys.path.insert(0, f"{HERE}/../integration/runtime-tools")

import private_view  # noqa: E402 - needs the path above


def main(command: list[str]) -> int:
    """Run the command; return its exit status, 128+N for a signal."""
    if os.geteuid() != 0:
        return plainly(command, "needs root")
    try:
        possible = private_view.inside(lambda _: 0) == 0
    except (OSError, RuntimeError) as error:
        return plainly(command, f"no private view of cgroups: {error}")
    if not possible:
        return plainly(command, "no private view of cgroups: mounts are not allowed here")
    return private_view.inside(lambda scratch: viewing(command, scratch))


def plainly(command: list[str], reason: str) -> int:
    """Run the command without a view."""
    return ended(os.spawnvpe(os.P_WAIT, command[0], command, os.environ | {VARIABLE: reason}))


def viewing(command: list[str], scratch: str) -> int:
    """Run the command in this process's view and reap every orphan until it has ended."""
    hand_controllers_down()
    environment = os.environ | {VARIABLE: "yes", "TMPDIR": scratch}
    child = os.spawnvpe(os.P_NOWAIT, command[0], command, environment)
    while True:
        pid, status = os.wait()
        if pid == child:
            break
    left = private_leftovers()
    private_view.tidy(scratch)
    if left:
        print("left behind by the command:", *left, sep="\n  ", file=sys.stderr)
    return ended(os.waitstatus_to_exitcode(status)) or int(bool(left))


def hand_controllers_down() -> None:
    """Give the view's cgroups every controller that its root has."""
    with open(f"{CGROUPS}/cgroup.controllers", encoding="ascii") as names:
        words = " ".join(f"+{name}" for name in names.read().split())
    with open(f"{CGROUPS}/cgroup.subtree_control", "w", encoding="ascii") as control:
        control.write(words)


def private_leftovers() -> list[str]:
    """Return the cgroups that the command made and did not remove."""
    return sorted(
        entry.path for entry in os.scandir(CGROUPS) if entry.is_dir() and entry.name != "init"
    )


def ended(status: int) -> int:
    """Return a shell's exit status for the result of waitstatus_to_exitcode."""
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: tests/in_view.py COMMAND ARGUMENTS...")
    sys.exit(main(sys.argv[1:]))
