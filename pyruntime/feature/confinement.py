"""Labels of security modules for the payload: process.apparmorProfile and process.selinuxLabel.

A label is written to a file of procfs that belongs to the writing task alone and counts for its
next execve(2). Loaded only when the config asks for one. That the module is there is found out
before anything is made: the files of a module that is not there exist all the same, and the kernel
would only say "invalid argument".
"""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature.step import Step
from pyruntime.kernel import door, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Process

_APPARMOR, _SELINUX = "process.apparmorProfile", "process.selinuxLabel"
_UNCONFINED = "unconfined"
_SELINUX_MAGIC = 0xF97CFF8C
_STATFS_SIZE = 120
# What a task is called before a policy was loaded.
_UNLABELLED = "kernel"


class LabelStep(Step):
    """Have the payload run under `label`; `key` of the config says of which module."""

    __slots__ = ("key", "label")

    def __init__(self, key: str, label: str) -> None:
        self.key, self.label = key, label

    def describe(self) -> str:
        """Name module and label."""
        module = "AppArmor profile" if self.key == _APPARMOR else "SELinux label"
        return f"run the payload under the {module} {self.label}"


class Label(Step):
    """Write `text` to `file`, a path below procfs; `words` say what failed if that does."""

    __slots__ = ("file", "text", "words")

    def __init__(self, file: str, text: str, words: str) -> None:
        self.file, self.text, self.words = file, text, words

    def describe(self) -> str:
        """Say it as a shell would."""
        return f'write "{self.text}" to {self.file}'


class Modules(Step):
    """Which modules this kernel runs.

    Attributes:
        apparmor: AppArmor's file below /proc/thread-self, "" where it is off.
        selinux: whether SELinux is on and has a policy.
    """

    __slots__ = ("apparmor", "selinux")

    def __init__(self, apparmor: str, *, selinux: bool) -> None:
        self.apparmor, self.selinux = apparmor, selinux

    def describe(self) -> str:
        """Name those that are on."""
        told = ["AppArmor"] * bool(self.apparmor) + ["SELinux"] * self.selinux
        return " and ".join(told) or "neither AppArmor nor SELinux"


def plan(process: Process) -> list[LabelStep]:
    """Work out the labels of a checked `process`."""
    wanted = ((_APPARMOR, process.get("apparmorProfile")), (_SELINUX, process.get("selinuxLabel")))
    return [LabelStep(key, label) for key, label in wanted if label]


def look() -> Modules:
    """Look which modules are on.

    Raises:
        OSError: never in practice.
    """
    apparmor = ""
    if _read("/sys/module/apparmor/parameters/enabled") == "Y":
        own = posix.access("/proc/thread-self/attr/apparmor/exec", posix.F_OK)
        apparmor = "attr/apparmor/exec" if own else "attr/exec"  # the only one before Linux 5.8
    labelled = _read("/proc/thread-self/attr/current") not in ("", _UNLABELLED)
    return Modules(apparmor, selinux=labelled and _is_selinuxfs("/sys/fs/selinux"))


def _read(file: str) -> str:
    """Return the text of a file of the kernel, "" where there is none."""
    try:
        descriptor = posix.open(file, posix.O_RDONLY)
    except OSError:
        return ""
    try:
        return posix.read(descriptor, 4096).decode("utf-8", "replace").strip("\0\n")
    except OSError:  # EINVAL: no module has a label for that
        return ""
    finally:
        posix.close(descriptor)


def _is_selinuxfs(place: str) -> bool:
    """Tell whether the file system of SELinux is mounted there, which it is when SELinux is on."""
    told = bytearray(_STATFS_SIZE)
    try:
        door.call("statfs", place, told)
    except OSError:
        return False
    return int.from_bytes(told[:8], door.ORDER) == _SELINUX_MAGIC


def labels(steps: list[LabelStep], modules: Modules) -> list[Label]:
    """Return what is to be written for the planned labels.

    Where AppArmor is off everything is unconfined, so a wish for that is fulfilled.

    Raises:
        Unsupported: the module is not on; which key, and what can be done.
    """
    found: list[Label] = []
    for step in steps:
        if step.key == _SELINUX:
            found.append(_of_selinux(step, modules))
        elif modules.apparmor or step.label != _UNCONFINED:
            found.append(_of_apparmor(step, modules))
    return found


def _of_apparmor(step: LabelStep, modules: Modules) -> Label:
    if not modules.apparmor:
        raise errors.Unsupported(
            f'{step.key}: "{step.label}" cannot be applied, AppArmor is not enabled on this host'
            " (leave the key out, or boot with apparmor=1 security=apparmor)"
        )
    words = f'unable to apply the profile "{step.label}" of {step.key} (is it loaded?)'
    return Label(f"thread-self/{modules.apparmor}", f"exec {step.label}", words)


def _of_selinux(step: LabelStep, modules: Modules) -> Label:
    if not modules.selinux:
        raise errors.Unsupported(
            f'{step.key}: "{step.label}" cannot be applied, SELinux is disabled or not supported'
            " on this host (leave the key out, or boot with selinux=1 security=selinux)"
        )
    words = f'unable to set the label "{step.label}" of {step.key} (does the policy know it?)'
    return Label("thread-self/attr/exec", step.label, words)


class keys_labelled:  # noqa: N801 - reads as a sentence: with keys_labelled(steps, procfs):
    """Have the keys that this task makes in the block bear the SELinux label of the payload.

    Args:
        steps: the planned labels; without one of SELinux nothing is done.
        procfs: a private procfs, which nothing can be mounted over.

    Raises:
        KernelError: the policy does not know the label, or forbids it.
    """

    __slots__ = ("label", "procfs")

    def __init__(self, steps: list[LabelStep], procfs: int) -> None:
        self.label = next((step.label for step in steps if step.key == _SELINUX), "")
        self.procfs = procfs

    def __enter__(self) -> None:
        """Begin."""
        if self.label:
            self._write(self.label)

    def __exit__(self, *_error: object) -> None:
        """Go back to the usual label."""
        if self.label:
            self._write("")

    def _write(self, label: str) -> None:
        beneath = path.RESOLVE_BENEATH | path.RESOLVE_NO_XDEV | path.RESOLVE_NO_MAGICLINKS
        with doing("label the session keyring", label or "as usual"):
            flags = posix.O_WRONLY
            file = path.openat2(self.procfs, "thread-self/attr/keycreate", flags, beneath)
            try:
                posix.write(file, label.encode("utf-8", "surrogateescape"))
            finally:
                posix.close(file)
