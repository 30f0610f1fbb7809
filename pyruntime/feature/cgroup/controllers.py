"""Controllers given on from the root of the hierarchy to a cgroup, and why one did not arrive.

A cgroup has the files of a controller when the one above it names it in cgroup.subtree_control
(kernel documentation, admin-guide/cgroup-v2.rst, "Controlling Controllers"). Loaded only when a
file was missing, or for a cgroup that is to hold others.
"""

from __future__ import annotations

import errno

from pyruntime import errors
from pyruntime.feature.cgroup import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.cgroup.filesystem import CgroupStep

    # controller: (the highest directory that does not give it on, why)
    Kept = dict[str, tuple[str, int]]

_V1_NAMES = {"io": "blkio"}
_THREADED = ("cpu", "cpuset", "perf_event", "pids")  # those that know threads
_WHY = {
    errno.EBUSY: (
        "it holds processes itself",
        "move them into a cgroup below it, or set linux.cgroupsPath to another place",
    ),
    errno.EACCES: ("this user may not write there", "a delegated cgroup is needed"),
    errno.EPERM: ("this user may not write there", "a delegated cgroup is needed"),
    errno.EROFS: ("the cgroup file system is mounted read-only", "mount it read-write"),
    errno.EOPNOTSUPP: ("it is threaded", "set linux.cgroupsPath to another place"),
    errno.EINVAL: (
        "real-time processes are outside of the root cgroup",
        "give them another scheduling policy, or build the kernel without RT_GROUP_SCHED",
    ),
}


def enable(cgroup: CgroupStep) -> Kept:
    """Give on every controller of the root to all cgroups above this one, as far as possible.

    All of them, as runc does: engines read the statistics of those, too, that limit nothing.

    Returns:
        The controllers that a cgroup keeps to itself.
    """
    kept: Kept = {}
    for directory in _above(cgroup):
        give_on(directory, kept)
    return kept


def give_on(directory: str, kept: Kept) -> None:
    """Give the cgroups below a directory every controller that it has, as far as possible.

    One that holds processes could give on those controllers that know threads, and with the first
    of them it would become the root of a threaded subtree, in which nothing else can be.
    """
    have, given = _words(f"{directory}/cgroup.controllers"), subtree(directory)
    missing = [name for name in have if name not in given]
    control = f"{directory}/cgroup.subtree_control"
    if not missing:
        return
    try:
        tree.write(control, " ".join(f"+{name}" for name in missing).encode("ascii"))
    except OSError as error:
        if error.errno == errno.EBUSY:
            for name in missing:
                kept.setdefault(name, (directory, errno.EBUSY))
            return
        _give_each(directory, missing, kept)


def _give_each(directory: str, missing: list[str], kept: Kept) -> None:
    for name in missing:
        try:
            tree.write(f"{directory}/cgroup.subtree_control", f"+{name}".encode("ascii"))
        except OSError as error:
            kept.setdefault(name, (directory, error.errno or 0))


def _above(cgroup: CgroupStep) -> list[str]:
    """Return the directories above a cgroup, the root of the hierarchy first."""
    parts = cgroup.path.split("/")[1:-1]
    return [cgroup.root + "".join(f"/{part}" for part in parts[:n]) for n in range(len(parts) + 1)]


def subtree(directory: str) -> list[str]:
    """Return the controllers that a cgroup gives on."""
    return _words(f"{directory}/cgroup.subtree_control")


def _words(file: str) -> list[str]:
    """Return the words of a file, none where it cannot be read."""
    try:
        return tree.read(file).split()
    except OSError:
        return []


def missing(cgroup: CgroupStep, file: str, kept: Kept) -> tuple[str, str]:
    """Return why a cgroup has no file of that name, and the cure ("" where none is known).

    Args:
        cgroup: whose file it would be.
        file: its name.
        kept: what `enable` returned.
    """
    controller = file.partition(".")[0]
    if controller == "cgroup":
        return "this kernel has no such file", ""
    lacks = f"controller {controller} is not available in {cgroup.directory}"
    kind = " ".join(_words(f"{cgroup.directory}/cgroup.type"))
    if "threaded" in kind and controller not in _THREADED:
        why = f"{lacks}: the cgroup is {kind}, where only {', '.join(_THREADED)} can be"
        return why, "set linux.cgroupsPath to a place outside of the threaded cgroup"
    if controller not in _words(f"{cgroup.root}/cgroup.controllers"):
        why, cure = _absent(cgroup.root, controller)
        return f"{lacks}: {why}", cure
    for directory in _above(cgroup):
        if controller not in subtree(directory):
            why, cure = _WHY.get(kept.get(controller, ("", 0))[1], ("", ""))
            said = f"{lacks}: {directory} does not give it on in cgroup.subtree_control"
            return said + (f", since {why}" if why else ""), cure
    return _fileless(cgroup.directory, file)


def foreseen(cgroup: CgroupStep, file: str) -> str:
    """Return why a cgroup that is not made yet could not have a file, "" for no known reason."""
    controller = file.partition(".")[0]
    if controller == "cgroup":
        return ""
    if controller not in _words(f"{cgroup.root}/cgroup.controllers"):
        why, cure = _absent(cgroup.root, controller)
        return f"controller {controller} is not available: {why}" + (f" ({cure})" if cure else "")
    for directory in _above(cgroup)[1:]:
        if controller not in subtree(directory) and _words(f"{directory}/cgroup.procs"):
            why, cure = _WHY[errno.EBUSY]
            return f"{directory} cannot give the controller {controller} on, since {why} ({cure})"
    return ""


def _absent(root: str, controller: str) -> tuple[str, str]:
    """Say why the root of the hierarchy has not got a controller (proc_cgroups(5))."""
    name = _V1_NAMES.get(controller, controller)
    try:
        lines = [line.split() for line in tree.read("/proc/cgroups").splitlines()]
    except OSError:
        lines = []
    for known, hierarchy, _, enabled in (line for line in lines if line[0] == name):
        if enabled == "0":
            told = f"the kernel was started with cgroup_disable={known}"
            return told, "start it without that"
        if hierarchy != "0":
            told = f"cgroup v1 holds it (hierarchy {hierarchy} in /proc/cgroups)"
            return told, f"boot with cgroup_no_v1={known} or systemd.unified_cgroup_hierarchy=1"
    if _words(f"{root}/cgroup.type"):  # only the very first cgroup has no type
        told = f"it is not in {root}/cgroup.controllers: it was not delegated to what is seen there"
        return told, "have it delegated, by Delegate=yes of the unit or by the engine outside"
    return f"it is not in {root}/cgroup.controllers: this kernel has not got it", ""


def _fileless(directory: str, file: str) -> tuple[str, str]:
    """Say that the controller is there and its file is not."""
    if file.startswith("hugetlb."):
        sizes = _huge_page_sizes(directory)
        return f"this machine has no huge pages of {file.split('.')[1]}", f"it has {sizes}"
    if file.startswith("memory.swap."):
        return f"{directory} has no {file}: swap is not accounted", "boot with swapaccount=1"
    return f"{directory} has no {file}: this kernel was built without it", ""


def _huge_page_sizes(directory: str) -> str:
    import posix

    parts = (name.split(".") for name in posix.listdir(directory))
    sizes = {name[1] for name in parts if len(name) > 1 and name[0] == "hugetlb"}
    return ", ".join(sorted(sizes)) or "none"


def refusal(cgroup: CgroupStep, key: str, file: str, kept: Kept) -> errors.Unsupported:
    """Return the error for a limit that cannot be set for want of its file."""
    why, cure = missing(cgroup, file, kept)
    return errors.Unsupported(f"linux.resources.{key}: {why}" + (f" ({cure})" if cure else ""))
