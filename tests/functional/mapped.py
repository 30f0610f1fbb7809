"""A container in a new user namespace, for a test: its maps, its owners, and what belongs to whom."""

import fcntl
import os
from pathlib import Path

FIRST = 100_000  # of the host's ids: root inside
COUNT = 65536
RANGE = [{"containerID": 0, "hostID": FIRST, "size": COUNT}]
_NS_GET_USERNS, _NS_GET_PARENT = 0xB701, 0xB702


def map_ids(bundle, uids=RANGE, gids=RANGE):
    """Give the container a user namespace and its root file system to its root."""
    config = bundle.config["linux"]
    config["namespaces"].append({"type": "user"})
    config |= {"uidMappings": uids, "gidMappings": gids}
    give(bundle.rootfs)


def give(top, first=FIRST):
    """Shift the owners of all that is at and below `top`."""
    for directory, names, files in os.walk(top):
        for name in (".", *names, *files):
            place = Path(directory, name)
            known = place.lstat()
            if known.st_uid < first:
                os.lchown(place, first + known.st_uid, first + known.st_gid)


def user_namespace(path):
    """Return the inode of the user namespace that owns the one at `path`."""
    return _asked(path, _NS_GET_USERNS)


def parent_of(path):
    """Return the inode of the parent of the user namespace at `path`."""
    return _asked(path, _NS_GET_PARENT)


def _asked(path, question):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        answer = fcntl.ioctl(descriptor, question)
        try:
            return os.fstat(answer).st_ino
        finally:
            os.close(answer)
    finally:
        os.close(descriptor)
