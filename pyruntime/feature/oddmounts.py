"""Mounts that go other ways: changes of what is mounted, extensions, and options without end."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.feature import mounts, rootfs
from pyruntime.kernel import attach, mount, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.mounts import Bind, MountStep

_PAGE = 4095  # mount(2) cuts its data off there without a word


def load(steps: list[MountStep]) -> None:
    """Load what these mounts will need; the child can load nothing."""
    wished = {name for step in steps for name, _ in step.extensions}
    if "tmpcopyup" in wished:
        from pyruntime.feature import copyup  # noqa: F401
    if wished & {"copy-symlink", "src-nofollow", "dest-nofollow"}:
        from pyruntime.feature import linkbinds  # noqa: F401


def apply(step: MountStep, root: int, bind: Bind) -> int | None:
    """Make or change one mount inside `root`; arguments and result are those of `mounts.apply`.

    Raises:
        OSError: as the calls give it.
        RuntimeFailure: why it cannot be.
    """
    if step.remount:
        _remount(step, root)
    elif step.kind == "bind":
        from pyruntime.feature import linkbinds  # as below: loaded by `load`

        return linkbinds.apply(step, root, bind)
    elif step.extensions:
        return _extended(step, root)
    else:
        _mount_at_once(step, root)
    return None


def _extended(step: MountStep, root: int) -> int | None:
    """Make a file system and see to its extensions before anybody can see it."""
    made = mounts.create(step, root)
    try:
        for name, value in step.extensions:
            if name == "tmpcopyup":
                from pyruntime.feature import copyup

                copyup.fill(step, root, made)
            elif name == "label" and value:
                from pyruntime.feature import mountlabel

                mountlabel.apply(made, value)
    except BaseException:
        posix.close(made)
        raise
    return mounts.place(step, root, made)


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
    data = ",".join(_quoted(key, value) for key, value in step.options)
    if len(data) > _PAGE:
        raise errors.RuntimeFailure(
            f"mount {step.source} on {step.destination}: the options are longer than the"
            f" {_PAGE} bytes that mount(2) takes"
        )
    target = attach.make_place(root, step.destination)
    try:
        rootfs.keep_out_of_proc(step.destination, target, procfs=False)
        mount.legacy(step.source, target, step.kind, data)
        made = path.resolve(root, step.destination)
        try:
            if path.mount_id(made) == path.mount_id(target):
                raise attach.exchanged()
            mounts.decorate(step, made)
        finally:
            posix.close(made)
    finally:
        posix.close(target)


def _quoted(key: str, value: str | None) -> str:
    """Write an option as mount(2) reads it; the commas of an SELinux context need quotes."""
    if value is None:
        return key
    return f'{key}="{value}"' if key == "context" and "," in value else f"{key}={value}"
