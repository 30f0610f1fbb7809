"""The rules of the mount list; see rules.py."""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import Config, Mount


def clean(path: str) -> str:
    """Return an absolute path without `.`, `..` and double slashes; a relative one begins at /."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def taken_apart(option: str) -> list[str]:
    """Take an option apart at its commas, as mount(2) does; backslash and quotes keep one."""
    if "," not in option or option in words.MOUNT_OPTIONS:
        return [option]
    found, quoted = [""], False
    for place, character in enumerate(option):
        quoted ^= character == '"'
        if character == "," and not quoted and option[place - 1 : place] != "\\":
            found.append("")
        else:
            found[-1] += character
    return [word for word in found if word]


def is_bind(mount: Mount) -> bool:
    """Tell whether this is a bind mount; its type says nothing then (config.md, "Mounts")."""
    options = mount.get("options", ())
    return "bind" in options or "rbind" in options


def _is_idmapped(option: str) -> bool:
    return option.partition("=")[0] in ("idmap", "ridmap")


def destinations_are_free(config: Config) -> list[Problem]:
    """Nothing covers the root, /proc is only procfs, and nothing lies below it (CVE-2019-16884).

    This looks at the spelling; feature/mounts.py looks again at where the path leads.
    """
    found: list[Problem] = []
    for place, mount in enumerate(config.get("mounts", ())):
        destination = clean(mount["destination"])
        told = ""
        if destination == "/":
            told = f"mountpoint {jsonfile.encode(mount['destination'])} is on the top of rootfs"
        elif destination == "/proc":
            if mount.get("type") != "proc" and not is_bind(mount):
                told = '"/proc" cannot be mounted because it is not of type proc'
        elif destination.startswith("/proc/") and destination not in words.MOUNTABLE_IN_PROC:
            told = f"{jsonfile.encode(destination)} cannot be mounted because it is inside /proc"
        if told:
            found.append((f"/mounts/{place}/destination", told))
    return found


def types_are_told(config: Config) -> list[Problem]:
    """What is no bind makes a file system, and none has the name bind (config.md, "Mounts")."""
    found: list[Problem] = []
    for place, mount in enumerate(config.get("mounts", ())):
        kind = mount.get("type", "")
        if kind in ("", "none", "bind") and not is_bind(mount):
            if kind == "bind":
                told = 'no such device: type "bind" needs the option bind or rbind'
            elif "remount" in mount.get("options", ()):
                continue
            else:
                told = "no such device: neither a file system nor the option bind is given"
            found.append((f"/mounts/{place}/type", told))
    return found


# Kinds of options that change what a mount is: never a word among the data of a file system.
_ALONE = ("bind", "remount", "extension", "idmap", "impossible")


def options_can_be_obeyed(config: Config) -> list[Problem]:
    """Options of the runtime's own have their kinds of mounts, and some cannot be had at all."""
    found: list[Problem] = []
    for place, mount in enumerate(config.get("mounts", ())):
        options = mount.get("options", ())
        if words.ODD_OPTIONS.isdisjoint(options) and "," not in "".join(options):
            continue
        for number, option in enumerate(options):
            told = _hidden(option) or _misplaced(option, mount)
            if told:
                found.append((f"/mounts/{place}/options/{number}", told))
    return found


def _hidden(option: str) -> str:
    """Name a word that is hidden among others in one option."""
    for word in taken_apart(option):
        if word != option and _kind(word.partition("=")[0]) in _ALONE:
            return f"{jsonfile.encode(word)} must be an option of its own"
    return ""


def _kind(option: str) -> str:
    return words.MOUNT_OPTIONS.get(option, ("data", 0, 0))[0]


def _misplaced(option: str, mount: Mount) -> str:
    """Say why an option cannot be obeyed for this mount (crun.1, "mount options")."""
    kind, options = _kind(option), mount["options"]
    if kind == "impossible":
        plain = option[1:]
        return (
            f"{option} is impossible: {plain} is of a file system, and no system call changes it"
            f" for a tree of mounts; give each mount the option {plain}"
        )
    if kind != "extension":
        return ""
    if "remount" in options:
        return f"{option} is for new mounts only"
    if option == "tmpcopyup":
        fresh = mount.get("type") == "tmpfs" and not is_bind(mount)
        return "" if fresh else "tmpcopyup can be used only with tmpfs"
    if not is_bind(mount):
        return f"{option} can be used only with bind mounts"
    others = {"src-nofollow", "dest-nofollow"}.intersection(options)
    if option == "copy-symlink" and others:
        return "copy-symlink is mutually exclusive with src-nofollow and dest-nofollow"
    return ""


def binds_have_no_data(config: Config) -> list[str]:
    """Warn: a bind mount makes no file system that could take options.

    runc refuses them since 1.2; the runtime-tools suite has such mounts and wants them made.
    """
    return [
        f"mount {mount['destination']}: bind mounts cannot have any filesystem-specific options"
        f" applied: {jsonfile.encode(option)} is ignored"
        for mount in config.get("mounts", ())
        if is_bind(mount)
        for option in mount["options"]
        if option not in words.MOUNT_OPTIONS and not _is_idmapped(option)
    ]


def mappings_are_complete(config: Config) -> list[Problem]:
    """An id-mapped mount is a bind and has both mappings, or the user namespace's."""
    found: list[Problem] = []
    owned = any(entry["type"] == "user" for entry in config.get("linux", {}).get("namespaces", ()))
    for place, mount in enumerate(config.get("mounts", ())):
        mapped = any(map(_is_idmapped, mount.get("options", ())))
        ids = bool(mount.get("uidMappings")), bool(mount.get("gidMappings"))
        if ids[0] != ids[1] or (mapped and not all(ids) and not owned):
            told = "id-mapped mounts must have both uid and gid mappings specified"
            found.append((f"/mounts/{place}", told))
        elif (mapped or all(ids)) and not is_bind(mount):
            found.append((f"/mounts/{place}", "id-mapped mounts must be bind mounts"))
    return found


def relative_destinations(config: Config) -> list[str]:
    """Warn: they are taken from / and deprecated (config.md, "Mounts")."""
    return [
        f"mount destination {jsonfile.encode(mount['destination'])} is relative; it is taken from /"
        for mount in config.get("mounts", ())
        if mount["destination"][:1] != "/"
    ]


RULES = (
    (destinations_are_free, ("/mounts",)),
    (types_are_told, ("/mounts",)),
    (options_can_be_obeyed, ("/mounts",)),
    (mappings_are_complete, ("/mounts", "/linux/namespaces")),
)
WARNINGS = (binds_have_no_data, relative_destinations)
