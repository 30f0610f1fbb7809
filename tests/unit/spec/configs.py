"""Configurations for the tests: a small one, one with every key, and one as podman writes them."""

from __future__ import annotations

import json
from pathlib import Path

OFFICIAL = (
    Path(__file__).parents[4] / "shared" / "spec",
    Path("/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema"),
)
DOCUMENTS = OFFICIAL[0] / "test"


def official(version_1_3=True):
    """The directory of the official schemas, or None; the distribution's may be older than 1.3."""
    for directory in OFFICIAL:
        linux = directory / "config-linux.json"
        if linux.exists() and (not version_1_3 or "memoryPolicy" in linux.read_text()):
            return directory
    return None


def documents(kind, quality):
    """The official sample documents of a kind ("config") and quality ("good", "bad")."""
    return sorted((DOCUMENTS / kind / quality).glob("*.json"))


def small():
    return {
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["sh"], "user": {"uid": 0, "gid": 0}},
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "uts", "ipc", "network")]
        },
    }


def every_key():
    """A valid configuration that uses each property of the schema."""
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    hook = {"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}
    capabilities = ["CAP_KILL", "CAP_CHOWN"]
    kinds = ("pid", "network", "mount", "uts", "user", "cgroup", "time")
    sets = ("bounding", "effective", "inheritable", "permitted", "ambient")
    hooks = (
        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
    )  # fmt: skip
    throttle = [{"major": 8, "minor": 0, "rate": 1000}]
    return {
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs", "readonly": False},
        "process": {
            "terminal": True,
            "consoleSize": {"height": 25, "width": 80},
            "cwd": "/",
            "env": ["PATH=/bin", "A="],
            "args": ["sh", "-c", "true"],
            "commandLine": "sh",
            "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [3, 4], "username": "a"},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}],
            "capabilities": dict.fromkeys(sets, capabilities),
            "noNewPrivileges": True,
            "apparmorProfile": "profile",
            "selinuxLabel": "a:b:c:s0",
            "oomScoreAdj": -5,
            "scheduler": {
                "policy": "SCHED_DEADLINE", "nice": 0, "priority": 0,
                "flags": ["SCHED_FLAG_RESET_ON_FORK"],
                "runtime": 42000, "deadline": 100000, "period": 1000000,
            },
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
            "execCPUAffinity": {"initial": "0-3,7", "final": ""},
        },
        "hostname": "host",
        "domainname": "domain",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/data", "source": "data", "options": ["rbind", "ro", "idmap"],
                "uidMappings": ids, "gidMappings": ids,
            },
        ],
        "hooks": {name: [hook] for name in hooks},
        "annotations": {"org.example.key": "value"},
        "linux": {
            "namespaces": [
                {"type": "ipc", "path": "/proc/1/ns/ipc"}, *({"type": kind} for kind in kinds),
            ],
            "uidMappings": ids,
            "gidMappings": ids,
            "timeOffsets": {"boottime": {"secs": 5}, "monotonic": {"secs": -5, "nanosecs": 7}},
            "devices": [
                {
                    "type": "c", "path": "/dev/fuse", "major": 10, "minor": 229,
                    "fileMode": 438, "uid": 0, "gid": 0,
                },
                {"type": "p", "path": "/dev/fifo"},
            ],
            "netDevices": {"eth0": {"name": "inside0"}, "eth1": {}},
            "cgroupsPath": "/a/b",
            "resources": {
                "devices": [
                    {"allow": False, "access": "rwm"},
                    {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
                ],
                "memory": {
                    "limit": 1 << 30, "reservation": 1 << 29, "swap": -1, "kernel": -1,
                    "kernelTCP": -1, "swappiness": 60, "disableOOMKiller": False,
                    "useHierarchy": True, "checkBeforeUpdate": True,
                },
                "cpu": {
                    "shares": 1024, "quota": 1000, "burst": 5, "period": 2000, "realtimeRuntime": 0,
                    "realtimePeriod": 0, "cpus": "0-1", "mems": "0", "idle": 0,
                },
                "pids": {"limit": 100},
                "blockIO": {
                    "weight": 10, "leafWeight": 10,
                    "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
                    "throttleReadBpsDevice": throttle, "throttleWriteBpsDevice": throttle,
                    "throttleReadIOPSDevice": throttle, "throttleWriteIOPSDevice": throttle,
                },
                "hugepageLimits": [{"pageSize": "2MB", "limit": 9223372036854772000}],
                "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 500}]},
                "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
                "unified": {"memory.high": "max"},
            },
            "intelRdt": {
                "closID": "group", "schemata": ["L3:0=f"], "l3CacheSchema": "L3:0=f",
                "memBwSchema": "MB:0=20", "enableMonitoring": True,
            },
            "memoryPolicy": {
                "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"],
            },
            "sysctl": {"net.ipv4.ip_forward": "1", "kernel.msgmax": "1000"},
            "seccomp": {
                "defaultAction": "SCMP_ACT_ERRNO",
                "defaultErrnoRet": 38,
                "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
                "flags": ["SECCOMP_FILTER_FLAG_LOG"],
                "listenerPath": "/run/agent",
                "listenerMetadata": "data",
                "syscalls": [
                    {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
                    {
                        "names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
                        "args": [
                            {"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"},
                        ],
                    },
                ],
            },
            "rootfsPropagation": "slave",
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"],
            "mountLabel": "a:b:c:s0",
            "personality": {"domain": "LINUX", "flags": []},
        },
    }  # fmt: skip


def podman_like():
    """About 33 KB: 437 names of system calls, some twenty mounts, masks; nothing unsupported."""
    names = [f"system_call_number_{number:03}" for number in range(400)]
    groups = [
        {
            "names": [f"guarded_call_{number:02}"], "action": "SCMP_ACT_ALLOW",
            "args": [
                {"index": number % 6, "value": number, "valueTwo": 0, "op": "SCMP_CMP_EQ"},
                {"index": 1, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"},
            ],
            "comment": "", "includes": {}, "excludes": {"caps": ["CAP_SYS_ADMIN"]},
        }
        for number in range(37)
    ]  # fmt: skip
    binds = [
        {
            "destination": f"/etc/place{number}", "type": "bind",
            "source": f"/var/lib/containers/storage/overlay-containers/{number:064x}/userdata/{number:064x}",
            "options": ["bind", "rprivate", "nosuid", "nodev", "rw"],
        }
        for number in range(18)
    ]  # fmt: skip
    own = ["nosuid", "noexec", "nodev"]
    config = small()
    config["hostname"] = "f00dbabe"
    config["process"]["env"] = [
        f"VARIABLE_{number}=/usr/local/some/value/{number}" for number in range(90)
    ]
    config["process"]["oomScoreAdj"] = 0
    config["process"]["noNewPrivileges"] = True
    config["process"]["rlimits"] = [
        {"type": kind, "soft": 1048576, "hard": 1048576}
        for kind in ("RLIMIT_NOFILE", "RLIMIT_NPROC")
    ]
    config["process"]["capabilities"] = {
        name: [f"CAP_NUMBER_{number}" for number in range(11)]
        for name in ("bounding", "effective", "permitted")
    }
    config["mounts"] = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": own},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "mode=755"],
        },
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*own, "ro"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": own},
        *binds,
    ]
    config["annotations"] = {
        f"io.podman.annotations.{number}": "a value as long as these are: FALSE"
        for number in range(40)
    }
    config["linux"] |= {
        "sysctl": {"net.ipv4.ping_group_range": "0 0"},
        "cgroupsPath": "/libpod_parent/libpod-" + "a" * 64,
        "maskedPaths": [f"/proc/masked{number}" for number in range(12)],
        "readonlyPaths": [f"/proc/readonly{number}" for number in range(6)],
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}], "memory": {}, "cpu": {}, "blockIO": {},
        },
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}, *groups],
        },
    }  # fmt: skip
    return config


def copied(config):
    """A deep copy in which nothing is shared."""
    return json.loads(json.dumps(config))


def changed(config, pointer, value):
    """A deep copy with `value` at a JSON pointer ("" for all of it); missing objects are made."""
    if not pointer:
        return copied(value)
    made = copied(config)
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    place = made
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    if isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return made
