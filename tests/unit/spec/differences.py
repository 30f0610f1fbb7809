"""Where the project's schema of config.json differs from the official one, and why.

Each entry: a pattern of the JSON pointers at which the one refuses what the other accepts, the
sentence of the specification (or the reason), a pointer and a value that show it in `every_key`.
"""

from __future__ import annotations

import re

N = r"[0-9]+"

STRICTER = [
    (r".*", "kernel strings end at a NUL byte: what stands after it would be lost", "/hostname", "a\0b"),
    (
        "/ociVersion",
        "ociVersion MUST be in SemVer v2.0.0 format",
        "/ociVersion", "banana",
    ),
    ("/process/cwd", "This value MUST be an absolute path.", "/process/cwd", "home"),
    (
        f"/hooks/[a-zA-Z]+/{N}/path",
        "This specification extends the IEEE standard in that path MUST be absolute.",
        "/hooks/poststop/0/path", "true",
    ),
    (
        f"/hooks/[a-zA-Z]+/{N}/timeout",
        "no time is longer than the 64 bits that count seconds",
        "/hooks/poststop/0/timeout", 1 << 63,
    ),
    ("/process/user/(uid|gid)", "uid, gid (int, REQUIRED)", "/process/user", {"uid": 1}),
    (
        f"/process/rlimits/{N}/type",
        "The runtime MUST generate an error for any values which cannot be mapped to a relevant …",
        "/process/rlimits/0/type", "RLIMIT_FOO",
    ),
    (
        "/process/oomScoreAdj",
        "the runtime MUST set oom_score_adj to the given value: proc(5) takes -1000 to 1000",
        "/process/oomScoreAdj", 1001,
    ),
    (
        "/process/ioPriority/priority",
        "priority (int, REQUIRED) … an integer ranging from 0 (highest) to 7 (lowest)",
        "/process/ioPriority/priority", 8,
    ),
    ("/annotations/", "Keys MUST NOT be an empty string.", "/annotations", {"": "a"}),
    ("/annotations/.*", "Values MUST be strings (the official pattern skips names of line ends).",
     "/annotations", {"\n": 5}),
    (
        f"/linux/namespaces/{N}/path",
        "This value MUST be an absolute path in the runtime mount namespace.",
        "/linux/namespaces/0/path", "run/ns",
    ),
    (
        f"/linux/devices/{N}/path",
        "path (string, REQUIRED) - full path to device inside container.",
        "/linux/devices/0/path", "fuse",
    ),
    (
        f"/linux/devices/{N}/type",
        "type of device: c, b, u or p (Python's $ also matches before a last line end)",
        "/linux/devices/0/type", "c\n",
    ),
    (
        f"/linux/resources/devices/{N}/type",
        "type of device: a (all), c (char), or b (block)",
        "/linux/resources/devices/1/type", "x",
    ),
    (
        f"/linux/resources/devices/{N}/access",
        "A composition of r (read), w (write), and m (mknod).",
        "/linux/resources/devices/0/access", "rx",
    ),
    (
        f"/linux/resources/blockIO/throttle(Read|Write)(Bps|IOPS)Device/{N}/rate",
        "rate (uint64, REQUIRED)",
        "/linux/resources/blockIO/throttleReadBpsDevice/0", {"major": 1, "minor": 2},
    ),
    (
        "/linux/resources/unified/.*",
        "Each key in the map refers to a file in the cgroup unified hierarchy",
        "/linux/resources/unified", {"a/b": "1"},
    ),
    (
        "/linux/(sysctl|resources/unified)/.*",
        "a map of strings (the official pattern skips names of line ends and the empty name)",
        "/linux/sysctl", {"": 5},
    ),
    (
        f"/linux/(masked|readonly)Paths/{N}",
        "The values MUST be absolute paths in the container namespace.",
        "/linux/maskedPaths/0", "proc/kcore",
    ),
    (
        f"/linux/intelRdt/schemata/{N}",
        "The value MUST NOT contain newlines.",
        "/linux/intelRdt/schemata/0", "a\nb",
    ),
    (
        "/linux/intelRdt/memBwSchema",
        "MUST NOT contain newlines (Python's $ also matches before a last line end)",
        "/linux/intelRdt/memBwSchema", "MB:1\n",
    ),
    (
        "/process/execCPUAffinity/(initial|final)",
        "a comma-separated list (Python's $ also matches before a last line end)",
        "/process/execCPUAffinity/final", "1\n",
    ),
    (
        f"/linux/resources/hugepageLimits/{N}/pageSize",
        "<size><unit-prefix>B (Python's $ also matches before a last line end)",
        "/linux/resources/hugepageLimits/0/pageSize", "2MB\n",
    ),
    ("/linux/memoryPolicy/mode", "mode (string, REQUIRED)", "/linux/memoryPolicy", {"nodes": "0"}),
    ("/linux/personality/domain", "domain (string, REQUIRED)", "/linux/personality", {"flags": []}),
    (
        f"/linux/seccomp/syscalls/{N}/args/{N}/index",
        "a system call has six arguments (seccomp(2))",
        "/linux/seccomp/syscalls/1/args/0/index", 6,
    ),
]  # fmt: skip

LOOSER = [
    (
        "/(vm|windows|solaris|zos|freebsd)(/.*)?",
        "the blocks of other platforms are not for this runtime",
        "/solaris", 5,
    ),
    (
        f"/linux/devices/{N}/fileMode",
        "fileMode (uint32): engines write the type bits as well, which runc masks out",
        "/linux/devices/0/fileMode", 0o20666,
    ),
    (
        "/linux/resources/pids",
        "limit (int64, OPTIONAL)",
        "/linux/resources/pids", {},
    ),
    (
        "/linux/rootfsPropagation",
        "runc also takes the recursive forms, and engines write them",
        "/linux/rootfsPropagation", "rslave",
    ),
]  # fmt: skip


def is_intended(differences, pointer, sentence=""):
    """Whether a refusal at `pointer` by one of the two schemas is listed."""
    for pattern, _, _, _ in differences:
        if pattern == ".*":
            if "NUL" in sentence or "\\u0000" in sentence:
                return True
        elif re.fullmatch(pattern, pointer, re.DOTALL):
            return True
    return False
