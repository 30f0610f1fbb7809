"""Mounts that cannot be made detached: changes of what is mounted, and options without end."""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.feature import mounts
from pyruntime.kernel import mount, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.mounts import MountStep

_PAGE = 4095  # mount(2) cuts its data off there without a word


def apply(step: MountStep, root: int) -> None:
    """Make or change one mount inside `root`.

    Raises:
        OSError: as the calls give it.
    """
    if step.remount:
        _remount(step, root)
    else:
        _mount_at_once(step, root)


def _remount(step: MountStep, root: int) -> None:
    """Change the attributes of what is mounted at the destination already."""
    present = path.resolve(root, step.destination)
    try:
        mounts.decorate(step, present)
        if step.options:
            mount.reconfigure(present, step.options)
    finally:
        posix.close(present)


def _mount_at_once(step: MountStep, root: int) -> None:
    """Mount in one call what fsconfig(2) cannot be told: many layers of an overlay, say.

    The mount is made in its place, so its attributes come a moment later; nothing of the container
    runs yet.
    """
    told = [key if value is None else f"{key}={value}" for key, value in step.options]
    data = ",".join(told)
    if len(data) > _PAGE:
        raise errors.RuntimeFailure(
            f"mount {step.source} on {step.destination}: the options are longer than the"
            f" {_PAGE} bytes that mount(2) takes"
        )
    target = path.make_directory(root, step.destination)
    try:
        mounts.keep_out_of_proc(step, target, procfs=False)
        mount.legacy(step.source, target, step.kind, data)
        made = path.resolve(root, step.destination)
        try:
            if path.mount_id(made) == path.mount_id(target):
                raise OSError(errno.ESTALE, "the destination was exchanged", step.destination)
            mounts.decorate(step, made)
        finally:
            posix.close(made)
    finally:
        posix.close(target)
