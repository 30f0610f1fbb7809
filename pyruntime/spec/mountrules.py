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


def binds_are_asked_for(config: Config) -> list[Problem]:
    """The type alone makes no bind mount, and no file system has this name (config.md)."""
    told = 'no such device: type "bind" needs the option bind or rbind'
    return [
        (f"/mounts/{place}/type", told)
        for place, mount in enumerate(config.get("mounts", ()))
        if mount.get("type") == "bind" and not is_bind(mount)
    ]


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
    (binds_are_asked_for, ("/mounts",)),
    (mappings_are_complete, ("/mounts", "/linux/namespaces")),
)
WARNINGS = (binds_have_no_data, relative_destinations)
