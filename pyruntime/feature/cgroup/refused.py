"""What to do when a cgroup's file is missing or refuses a value, and what to say of it.

Loaded only then.
"""

from __future__ import annotations

import errno

from pyruntime import errors
from pyruntime.feature.cgroup import controllers, limits
from pyruntime.feature.cgroup.limits_rare import amount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.cgroup.filesystem import CgroupStep
    from pyruntime.feature.cgroup.limits import WriteStep

_CURES = {
    ("cpu.weight", errno.EINVAL): "cpu.idle is 1, and such a cgroup can have no shares",
    ("cpu.max", errno.EINVAL): "period is 1000 to 1000000, quota at least 1000, burst within quota",
    ("cpu.max.burst", errno.EINVAL): "the burst must not be above the quota",
    ("cpuset.cpus", errno.ERANGE): "it names a processor beyond what the kernel can have",
    ("io.max", errno.ENODEV): "there is no such block device",
    ("io.weight", errno.EOPNOTSUPP): "io.cost is not on for it: see io.cost.qos of the root",
    ("io.weight", errno.ENODEV): "there is no such block device",
    ("io.bfq.weight", errno.ENODEV): "there is no such block device",
    ("io.bfq.weight", errno.EOPNOTSUPP): "the device is not scheduled by BFQ",
    ("rdma.max", errno.ENODEV): "there is no such RDMA device",
    ("rdma.max", errno.EINVAL): "there is no such RDMA device",
}
_NOT_OURS = {
    errno.EACCES: "this user may not write there: a delegated cgroup is needed",
    errno.EPERM: "this user may not write there: a delegated cgroup is needed",
}


def settle(wanted: WriteStep, number: int, directory: int, cgroup: CgroupStep) -> None:
    """Find another way for a step that failed with an errno.

    A missing file appears when its controller is given on by the cgroups above. The step is one
    that cannot go without it.

    Raises:
        Unsupported: the file is missing all the same.
        RuntimeFailure: the kernel refuses the value.
    """
    if number != errno.ENOENT:
        raise _refusal(wanted, number, directory, cgroup)
    if _written_instead(wanted, directory, cgroup):
        return
    kept = controllers.enable(cgroup)
    try:
        limits.write(directory, wanted.file, wanted.text)
    except FileNotFoundError:
        # No swap is accounted, so there is none to be used. Only now: the file of a controller that
        # had to be given on would have been taken for it.
        if (wanted.file, wanted.text) == ("memory.swap.max", "0"):
            return
        if not _written_instead(wanted, directory, cgroup):
            file = wanted.instead[0] or wanted.file
            raise controllers.refusal(cgroup, wanted.key, file, kept) from None
    except OSError as error:
        raise _refusal(wanted, error.errno or 0, directory, cgroup) from error


def _written_instead(wanted: WriteStep, directory: int, cgroup: CgroupStep) -> bool:
    """Write the other file of a step, if there is one and it is there."""
    file, text = wanted.instead
    if not file:
        return False
    try:
        limits.write(directory, file, text)
    except FileNotFoundError:
        return False
    except OSError as error:
        other = limits.WriteStep(wanted.key, file, text)
        raise _refusal(other, error.errno or 0, directory, cgroup) from error
    return True


def _refusal(
    wanted: WriteStep, number: int, directory: int, cgroup: CgroupStep
) -> errors.RuntimeFailure:
    """Return the error for a value that the kernel refuses."""
    if wanted.file == "memory.max" and number == errno.EBUSY:
        return too_small(wanted.text, directory)
    doing = f"set linux.resources.{wanted.key}: write {wanted.text} to"
    cure = _CURES.get((wanted.file, number)) or _NOT_OURS.get(number, "")
    return errors.KernelError(doing, f"{cgroup.directory}/{wanted.file}", number, cure)


def too_small(limit: str, directory: int, why: str = "") -> errors.RuntimeFailure:
    """Return the error for a limit of memory that is below what is in use, in runc's words."""
    now, most = amount(directory, "memory.current"), amount(directory, "memory.peak")
    told = f"unable to set memory limit to {limit} (current usage: {now}, peak usage: {most})"
    return errors.RuntimeFailure(told + why)
