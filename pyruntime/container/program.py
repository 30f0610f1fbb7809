"""The program of the container: its environment and where its file is.

Both are looked up inside the container's root, by the in-root resolver, in bounded regular files:
passwd and PATH belong to the image. Names are never resolved by the C library, whose NSS modules
would come from the image too.
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.kernel import path

_PASSWD_LIMIT = 4 << 20
_FORMAT, _REGULAR, _DIRECTORY = 0o170000, 0o100000, 0o040000


def environment(env: list[str], uid: int, root: int) -> list[str]:
    """Return the environment of the payload: the last of each name, and HOME.

    Args:
        env: as config.json gives it.
        uid: whose home it is.
        root: descriptor of the container's root.
    """
    made = {word.partition("=")[0]: word for word in env}
    if made.get("HOME", "HOME=") == "HOME=":
        made["HOME"] = f"HOME={home(uid, root)}"
    return list(made.values())


def home(uid: int, root: int) -> str:
    """Return the home directory that the image's passwd(5) gives for `uid`, `/` for none."""
    try:
        lines = path.read_file(root, "/etc/passwd", _PASSWD_LIMIT)
    except OSError:
        return "/"
    wanted = str(uid).encode("ascii")
    for line in lines.split(b"\n"):
        fields = line.split(b":")
        if len(fields) >= 6 and fields[2] == wanted and b"\0" not in fields[5]:
            return fields[5].decode("utf-8", "surrogateescape") or "/"
    return "/"


def candidates(name: str, env: list[str], cwd: str, root: int) -> list[str]:
    """Return the paths at which execve(2) shall look for the program.

    Args:
        name: args[0]; with a slash it is a path, else it is searched for in PATH.
        env: the payload's.
        cwd: what relative paths are relative to.
        root: descriptor of the container's root.

    Raises:
        ChildFailed: there is no such program, with the text that engines look for.
    """
    if "/" in name:
        where = path.join(cwd, name)
        fault = _fault(where, root)
        if fault == errno.ENOENT:
            raise errors.ChildFailed(f'exec: "{name}": stat {where}: no such file or directory')
        if fault:
            raise errors.ChildFailed(f'exec: "{name}": {errors.reason(fault)}')
        return [where]
    search = next((word[5:] for word in env if word.startswith("PATH=")), "")
    faults = {}
    for directory in search.split(":") if search else ():
        where = path.join(path.join(cwd, directory or "."), name)
        faults[where] = _fault(where, root)
    found = [where for where, fault in faults.items() if not fault]
    if not found and errno.EACCES in faults.values():
        raise errors.ChildFailed(f'exec: "{name}": permission denied')
    if not found:
        raise errors.ChildFailed(f'exec: "{name}": executable file not found in $PATH')
    return found


def _fault(where: str, root: int) -> int:
    """Return the errno with which execve(2) would refuse the file, 0 for none that can be seen.

    Who may execute it is the kernel's to say, when the credentials are the payload's.
    """
    try:
        node = path.resolve(root, where)
    except OSError as error:
        return errno.ENOENT if error.errno == errno.ENOTDIR else error.errno or errno.EIO
    mode = posix.fstat(node).st_mode
    posix.close(node)
    if mode & _FORMAT == _DIRECTORY:
        return errno.EISDIR
    return 0 if mode & _FORMAT == _REGULAR and mode & 0o111 else errno.EACCES
