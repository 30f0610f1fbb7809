"""The process that `exec` is asked for: from a file, or the container's own with changes.

The config is the one saved at create: later changes of the bundle have no effect (runtime.md,
"Lifecycle", step 2), whatever the caller does to it.
"""

from __future__ import annotations

from pyruntime import errors, jsonfile
from pyruntime.spec import processes, table, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import Config, Process

_HIGHEST_ID = 0xFFFFFFFE
_PLAIN = frozenset("0123456789")
_CONFINING = ("apparmorProfile", "capabilities", "oomScoreAdj", "selinuxLabel")
_SILENT = (None, "")
_RAISED = ("bounding", "effective", "permitted")


class Changes:
    """What the command line changes of the container's process; "" and empty change nothing."""

    __slots__ = (
        "apparmor", "args", "caps", "cwd", "env", "groups", "label", "no_new_privs", "terminal",
        "user",
    )  # fmt: skip

    def __init__(
        self, args: list[str], *, cwd: str = "", env: list[str], user: str = "",
        groups: list[str], caps: list[str], label: str = "", apparmor: str = "",
        no_new_privs: bool = False, terminal: bool = False,
    ) -> None:  # fmt: skip
        self.args, self.cwd, self.env, self.user = args, cwd, env, user
        self.groups, self.caps, self.label, self.apparmor = groups, caps, label, apparmor
        self.no_new_privs, self.terminal = no_new_privs, terminal


def read(content: bytes, file: str, own: Process) -> Process:
    """Return the process in the bytes of a file (a `process` object as in config.json).

    What confines the container's own process confines this one too where the file is silent, as
    with runc: a file that names no capabilities would else give all that the caller has.

    Args:
        content: of the file.
        file: its name.
        own: the container's process.

    Raises:
        errors.RuntimeFailure: no JSON, with line and column.
    """
    process: Any = jsonfile.decode_bytes(content, file)
    if type(process) is dict:
        for key in _CONFINING:
            if process.get(key) in _SILENT and key in own:
                process[key] = own[key]  # type: ignore[literal-required]
    return process  # type: ignore[no-any-return] # of the shape that check.py then looks at


def changed(process: Process, wish: Changes) -> Process:
    """Return the container's process with what the command line changes, as runc does.

    Raises:
        errors.UsageError: a user, group or working directory that is none.
    """
    made: Any = {**process, "args": wish.args, "terminal": wish.terminal}
    if wish.cwd:
        made["cwd"] = wish.cwd
    if wish.env:
        made["env"] = [*(process.get("env") or []), *wish.env]
    if wish.label:
        made["selinuxLabel"] = wish.label
    if wish.apparmor:
        made["apparmorProfile"] = wish.apparmor
    if wish.no_new_privs:
        made["noNewPrivileges"] = True
    if wish.user or wish.groups:
        made["user"] = _user(made.get("user") or {"uid": 0, "gid": 0}, wish)
    if wish.caps:
        made["capabilities"] = _raised(made.get("capabilities"), wish.caps)
    return made  # type: ignore[no-any-return] # of the shape that check.py then looks at


def _user(user: dict[str, Any], wish: Changes) -> dict[str, Any]:
    """Return the user with other ids.

    Strictly numbers: a text half read would run as another user than was meant (CVE-2026-30892).
    """
    made = dict(user)
    if wish.user:
        uid, colon, gid = wish.user.partition(":")
        made["uid"] = _id(uid, "uid")
        if colon:
            made["gid"] = _id(gid, "gid")
    more = [_id(text, "additional gid") for text in wish.groups]
    if more:
        made["additionalGids"] = [*(made.get("additionalGids") or []), *more]
    return made


def _id(text: str, kind: str) -> int:
    if not text or not _PLAIN.issuperset(text):
        raise errors.UsageError(f'bad {kind}: "{text}" is not a number')
    number = int(text[:20])
    if number > _HIGHEST_ID:
        raise errors.UsageError(f"bad {kind}: {text} is above {_HIGHEST_ID}")
    return number


def _raised(sets: Any, caps: list[str]) -> dict[str, list[str]]:
    """Add capabilities; to be inheritable is never asked for (CVE-2022-29162).

    Ambient they become only where the config has inheritable ones, as with runc.
    """
    made = dict(sets or {})
    for kind in (*_RAISED, *(("ambient",) if made.get("inheritable") else ())):
        present = made.get(kind) or []
        made[kind] = [*present, *(cap for cap in caps if cap not in present)]
    return made


def checked(process: Process, config: Config, file: str) -> list[str]:
    """Check the process as that of a config and return warnings for the log.

    Args:
        process: of any shape.
        config: the container's, whose id maps the user must be in.
        file: the process was read from, "" for none.

    Raises:
        errors.RuntimeFailure: it is wrong; all problems, each with its place in the process.
    """
    linux: Any = config.get("linux") or {}
    kept = ("namespaces", "uidMappings", "gidMappings")
    whole: Any = {
        "ociVersion": config["ociVersion"],
        "root": config["root"],
        "process": process,
        "linux": {key: linux[key] for key in kept if key in linux},
    }
    try:
        walk.walk(process, table.PROCESS)
    except walk.Refused as refused:
        _refuse(_named(whole, refused), file)
    if problems := processes.broken(whole):
        _refuse(problems, file)
    return [told for warning in processes.WARNINGS for told in warning(whole)]


def _named(whole: Any, refused: walk.Refused) -> list[Problem]:
    """Have jsonschema name all that is wrong; if it finds nothing the walk's words must do."""
    from pyruntime.spec import check

    try:
        check.check(whole)
    except errors.SpecError as wrong:
        return wrong.problems
    return [(f"/process{refused.pointer}", refused.sentence)]


def _refuse(problems: list[Problem], file: str) -> NoReturn:
    """Raise with each problem and its place in the process."""
    said = (
        f"{pointer.removeprefix('/process')}: {told}".removeprefix(": ")
        for pointer, told in problems
    )
    where = f" in {file}" if file else ""
    raise errors.RuntimeFailure(f"invalid process{where}: {'; '.join(said)}")
