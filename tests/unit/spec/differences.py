"""Where the project's schemas differ from the official ones of runtime-spec 1.3, and why.

Each entry: a pattern of the JSON pointers at which the one refuses what the other accepts, the
sentence of the specification (or the reason), a pointer and a value that show it in a good document
(for config.json in `every_key`).
"""

from __future__ import annotations

import re

N = r"[0-9]+"

CONFIG_STRICTER = [
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
        "/linux/timeOffsets/[^/]*",
        "The name of the clock is the entry key: time_namespaces(7) has offsets of two clocks",
        "/linux/timeOffsets/realtime", {"secs": 1},
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
    (
        "/linux/memoryPolicy/nodes",
        "nodes … is a comma-separated list, with dashes to represent ranges",
        "/linux/memoryPolicy/nodes", "all",
    ),
    ("/linux/memoryPolicy/mode", "mode (string, REQUIRED)", "/linux/memoryPolicy", {"nodes": "0"}),
    ("/linux/personality/domain", "domain (string, REQUIRED)", "/linux/personality", {"flags": []}),
    (
        f"/linux/seccomp/syscalls/{N}/args/{N}/index",
        "a system call has six arguments (seccomp(2))",
        "/linux/seccomp/syscalls/1/args/0/index", 6,
    ),
]  # fmt: skip

CONFIG_LOOSER = [
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


STATE_STRICTER = [
    ("/id", "id … the container's ID: no id is empty", "/id", ""),
    ("/bundle", "bundle … is the absolute path to the container's bundle directory", "/bundle", "b"),
    ("/pid", "pid (int, REQUIRED when status is created or running on Linux …)",
     "", {"ociVersion": "1.3.0", "id": "a", "status": "created", "bundle": "/b"}),
    ("/annotations/.*", "Keys MUST NOT be an empty string. Values MUST be strings.",
     "/annotations", {"": "a"}),
]  # fmt: skip
STATE_LOOSER = [
    ("/status", "Additional values MAY be defined by the runtime: paused", "/status", "paused"),
]
FEATURES_STRICTER = [
    ("/annotations/.*", "the same convention as … config.md: Keys MUST NOT be an empty string.",
     "/annotations", {"": "a"}),
    ("/linux/capabilities/[0-9]+", "names of capabilities (Python's $ also matches before a line end)",
     "/linux/capabilities/0", "CAP_KILL\n"),
    ("/linux/memoryPolicy(/.*)?", "modes (array of strings, OPTIONAL); the official schema lacks it",
     "/linux/memoryPolicy", {"modes": ["MPOL_FOO"]}),
    ("/linux/intelRdt/(schemata|monitoring)", "(bool, OPTIONAL); the official schema lacks it",
     "/linux/intelRdt/schemata", 5),
]  # fmt: skip
FEATURES_LOOSER = [
    (
        "/(?!ociVersion).*",
        "All properties … except ociVersionMin and ociVersionMax MAY … have the null value.",
        "/hooks", None,
    ),
]  # fmt: skip

STRICTER = {"config": CONFIG_STRICTER, "state": STATE_STRICTER, "features": FEATURES_STRICTER}
LOOSER = {"config": CONFIG_LOOSER, "state": STATE_LOOSER, "features": FEATURES_LOOSER}

# What runtime-spec has got or changed since the schemas of Debian 12 (1.0.2).
LATER = [
    "/linux/(netDevices|memoryPolicy|timeOffsets)(/.*)?$",
    "/linux/intelRdt/(schemata|enableMonitoring|enableCMT|enableMBM)(/.*)?$",
    "/process/(scheduler|ioPriority|execCPUAffinity)(/.*)?$",
    f"/linux/namespaces/{N}$",  # the type time
    f"/linux/seccomp/architectures/{N}$",  # loongarch64, m68k, sh, sheb
]


def is_intended(differences, pointer, sentence=""):
    """Whether a refusal at `pointer` by one of the two schemas is listed."""
    for pattern, _, _, _ in differences:
        if pattern == ".*":
            if "NUL" in sentence or "\\u0000" in sentence:
                return True
        elif re.fullmatch(pattern, pointer, re.DOTALL):
            return True
    return False
