"""The schema of config.json as the quick check walks it. Written by compile_table.py.

A node is (type, ...): see compile_table.py. Do not edit; change schema/config.json and run
`python3 -m pyruntime.spec.compile_table`.
"""
# fmt: off

from __future__ import annotations

from pyruntime.spec import forms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Node = tuple[Any, ...]

FLAG: Node = (bool,)
ANYTHING: Node = (str, None, None)
TEXT: Node = (str, None, forms.text)
TEXTS: Node = (list, TEXT, 0)
PATH: Node = (str, None, forms.absolute_path)
PATHS: Node = (list, PATH, 0)
VERSION: Node = (str, None, forms.version)
INT32: Node = (int, -2147483648, 2147483647)
INT64: Node = (int, -9223372036854775808, 9223372036854775807)
UINT16: Node = (int, 0, 65535)
UINT32: Node = (int, 0, 4294967295)
UINT64: Node = (int, 0, 18446744073709551615)
CPU_LIST: Node = (str, None, forms.cpu_list)
ANNOTATION_NAME: Node = (str, None, forms.not_empty)
ANNOTATIONS: Node = (dict, {}, (), ANYTHING, ANNOTATION_NAME)
ROOT: Node = (dict, {"path": TEXT, "readonly": FLAG}, ("path",), None, None)
CONSOLE_SIZE: Node = (dict, {"height": UINT64, "width": UINT64}, ("height", "width"), None, None)
USER: Node = (dict, {"uid": UINT32, "gid": UINT32, "umask": UINT32, "additionalGids": (list,
    UINT32, 0), "username": ANYTHING}, ("uid", "gid"), None, None)
RLIMIT: Node = (dict, {"type": (str, ("RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA",
    "RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE",
    "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
    "RLIMIT_SIGPENDING", "RLIMIT_STACK"), None), "soft": UINT64, "hard": UINT64}, ("type", "soft",
    "hard"), None, None)
CAPABILITIES: Node = (dict, {"bounding": TEXTS, "effective": TEXTS, "inheritable": TEXTS,
    "permitted": TEXTS, "ambient": TEXTS}, (), None, None)
SCHEDULER: Node = (dict, {"policy": (str, ("SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH",
    "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"), None), "nice": INT32, "priority": INT32,
    "flags": (list, (str, ("SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",
    "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS",
    "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"), None), 0), "runtime": UINT64,
    "deadline": UINT64, "period": UINT64}, ("policy",), None, None)
IO_PRIORITY: Node = (dict, {"class": (str, ("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
    "IOPRIO_CLASS_IDLE"), None), "priority": (int, 0, 7)}, ("class", "priority"), None, None)
EXEC_CPU_AFFINITY: Node = (dict, {"initial": CPU_LIST, "final": CPU_LIST}, (), None, None)
PROCESS: Node = (dict, {"terminal": FLAG, "consoleSize": CONSOLE_SIZE, "cwd": PATH, "env": TEXTS,
    "args": TEXTS, "commandLine": ANYTHING, "user": USER, "rlimits": (list, RLIMIT, 0),
    "capabilities": CAPABILITIES, "noNewPrivileges": FLAG, "apparmorProfile": TEXT,
    "selinuxLabel": TEXT, "oomScoreAdj": (int, -1000, 1000), "scheduler": SCHEDULER, "ioPriority":
    IO_PRIORITY, "execCPUAffinity": EXEC_CPU_AFFINITY}, ("cwd",), None, None)
ID_MAPPING: Node = (dict, {"containerID": UINT32, "hostID": UINT32, "size": UINT32},
    ("containerID", "hostID", "size"), None, None)
ID_MAPPINGS: Node = (list, ID_MAPPING, 0)
MOUNT: Node = (dict, {"destination": TEXT, "type": TEXT, "source": TEXT, "options": TEXTS,
    "uidMappings": ID_MAPPINGS, "gidMappings": ID_MAPPINGS}, ("destination",), None, None)
MOUNTS: Node = (list, MOUNT, 0)
HOOK: Node = (dict, {"path": PATH, "args": TEXTS, "env": TEXTS, "timeout": (int, 1,
    9223372036854775807)}, ("path",), None, None)
HOOK_LIST: Node = (list, HOOK, 0)
HOOKS: Node = (dict, {"prestart": HOOK_LIST, "createRuntime": HOOK_LIST, "createContainer":
    HOOK_LIST, "startContainer": HOOK_LIST, "poststart": HOOK_LIST, "poststop": HOOK_LIST}, (),
    None, None)
NAMESPACE: Node = (dict, {"type": (str, ("pid", "network", "mount", "ipc", "uts", "user",
    "cgroup", "time"), None), "path": (str, None, forms.namespace_path)}, ("type",), None, None)
TIME_OFFSET: Node = (dict, {"secs": INT64, "nanosecs": UINT32}, (), None, None)
TIME_OFFSETS: Node = (dict, {"boottime": TIME_OFFSET, "monotonic": TIME_OFFSET}, (), None, (str,
    ("boottime", "monotonic"), None))
DEVICE: Node = (dict, {"type": (str, ("c", "b", "u", "p"), None), "path": PATH, "major": INT64,
    "minor": INT64, "fileMode": (int, 0, 65535), "uid": UINT32, "gid": UINT32}, ("type", "path"),
    None, None)
NET_DEVICES: Node = (dict, {}, (), (dict, {"name": TEXT}, (), None, None), TEXT)
DEVICE_RULE: Node = (dict, {"allow": FLAG, "type": (str, ("a", "c", "b", ""), None), "major":
    INT64, "minor": INT64, "access": (str, None, forms.device_access)}, ("allow",), None, None)
MEMORY: Node = (dict, {"limit": INT64, "reservation": INT64, "swap": INT64, "kernel": INT64,
    "kernelTCP": INT64, "swappiness": UINT64, "disableOOMKiller": FLAG, "useHierarchy": FLAG,
    "checkBeforeUpdate": FLAG}, (), None, None)
CPU: Node = (dict, {"shares": UINT64, "quota": INT64, "burst": UINT64, "period": UINT64,
    "realtimeRuntime": INT64, "realtimePeriod": UINT64, "cpus": TEXT, "mems": TEXT, "idle":
    INT64}, (), None, None)
WEIGHT_DEVICE: Node = (dict, {"major": INT64, "minor": INT64, "weight": UINT16, "leafWeight":
    UINT16}, ("major", "minor"), None, None)
THROTTLE_DEVICE: Node = (dict, {"major": INT64, "minor": INT64, "rate": UINT64}, ("major",
    "minor", "rate"), None, None)
THROTTLE_DEVICES: Node = (list, THROTTLE_DEVICE, 0)
BLOCK_IO: Node = (dict, {"weight": UINT16, "leafWeight": UINT16, "weightDevice": (list,
    WEIGHT_DEVICE, 0), "throttleReadBpsDevice": THROTTLE_DEVICES, "throttleWriteBpsDevice":
    THROTTLE_DEVICES, "throttleReadIOPSDevice": THROTTLE_DEVICES, "throttleWriteIOPSDevice":
    THROTTLE_DEVICES}, (), None, None)
HUGEPAGE_LIMIT: Node = (dict, {"pageSize": (str, None, forms.page_size), "limit": UINT64},
    ("pageSize", "limit"), None, None)
INTERFACE_PRIORITY: Node = (dict, {"name": TEXT, "priority": UINT32}, ("name", "priority"), None,
    None)
NETWORK_PRIORITY: Node = (dict, {"classID": UINT32, "priorities": (list, INTERFACE_PRIORITY, 0)},
    (), None, None)
RDMA: Node = (dict, {"hcaHandles": UINT32, "hcaObjects": UINT32}, (), None, None)
FILE_NAME: Node = (str, None, forms.file_name)
RESOURCES: Node = (dict, {"devices": (list, DEVICE_RULE, 0), "memory": MEMORY, "cpu": CPU, "pids":
    (dict, {"limit": INT64}, (), None, None), "blockIO": BLOCK_IO, "hugepageLimits": (list,
    HUGEPAGE_LIMIT, 0), "network": NETWORK_PRIORITY, "rdma": (dict, {}, (), RDMA, TEXT),
    "unified": (dict, {}, (), TEXT, FILE_NAME)}, (), None, None)
INTEL_RDT: Node = (dict, {"closID": TEXT, "schemata": (list, (str, None, forms.one_line), 0),
    "l3CacheSchema": TEXT, "memBwSchema": (str, None, forms.bandwidth_schema), "enableMonitoring":
    FLAG}, (), None, None)
MEMORY_POLICY: Node = (dict, {"mode": (str, ("MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE",
    "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL"), None),
    "nodes": CPU_LIST, "flags": (list, (str, ("MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES",
    "MPOL_F_STATIC_NODES"), None), 0)}, ("mode",), None, None)
SYSCTL: Node = (dict, {}, (), TEXT, TEXT)
SECCOMP_ACTION: Node = (str, ("SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY"), None)
SECCOMP_ARCH: Node = (str, ("SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB", "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64"), None)
SYSCALL_ARGUMENT: Node = (dict, {"index": (int, 0, 5), "value": UINT64, "valueTwo": UINT64, "op":
    (str, ("SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE",
    "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"), None)}, ("index", "value", "op"), None, None)
SYSCALL_RULE: Node = (dict, {"names": (list, TEXT, 1), "action": SECCOMP_ACTION, "errnoRet":
    UINT32, "args": (list, SYSCALL_ARGUMENT, 0)}, ("names", "action"), None, None)
SECCOMP: Node = (dict, {"defaultAction": SECCOMP_ACTION, "defaultErrnoRet": UINT32,
    "architectures": (list, SECCOMP_ARCH, 0), "flags": (list, (str, ("SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"), None), 0), "listenerPath": TEXT,
    "listenerMetadata": TEXT, "syscalls": (list, SYSCALL_RULE, 0)}, ("defaultAction",), None,
    None)
PERSONALITY: Node = (dict, {"domain": (str, ("LINUX", "LINUX32"), None), "flags": TEXTS},
    ("domain",), None, None)
LINUX: Node = (dict, {"namespaces": (list, NAMESPACE, 0), "uidMappings": ID_MAPPINGS,
    "gidMappings": ID_MAPPINGS, "timeOffsets": TIME_OFFSETS, "devices": (list, DEVICE, 0),
    "netDevices": NET_DEVICES, "cgroupsPath": TEXT, "resources": RESOURCES, "intelRdt": INTEL_RDT,
    "memoryPolicy": MEMORY_POLICY, "sysctl": SYSCTL, "seccomp": SECCOMP, "rootfsPropagation":
    (str, ("private", "slave", "shared", "unbindable", "rprivate", "rslave", "rshared",
    "runbindable"), None), "maskedPaths": PATHS, "readonlyPaths": PATHS, "mountLabel": TEXT,
    "personality": PERSONALITY}, (), None, None)
CONFIG: Node = (dict, {"ociVersion": VERSION, "root": ROOT, "process": PROCESS, "hostname": TEXT,
    "domainname": TEXT, "mounts": MOUNTS, "hooks": HOOKS, "annotations": ANNOTATIONS, "linux":
    LINUX}, ("ociVersion",), None, None)
