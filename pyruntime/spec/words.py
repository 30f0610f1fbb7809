"""The words of the specification and the numbers that stand for them. Pure data.

Sources: runtime-spec 1.3 (config.md, config-linux.md) and the system's headers. Numbers are those
of x86_64 and aarch64, which agree in all of these.
"""

from __future__ import annotations

# --- ociVersion: the oldest and the newest that are understood (features.md) -------------------

VERSIONS = ("1.0.0", "1.3.0")

# --- namespaces: clone(2) --------------------------------------------------------------------

NAMESPACES = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
    "time": 0x00000080,
}

# --- mount options ---------------------------------------------------------------------------

# MOUNT_ATTR_ of mount_setattr(2).
_RDONLY, _NOSUID, _NODEV, _NOEXEC = 0x1, 0x2, 0x4, 0x8
_NOATIME, _STRICTATIME, _ATIME, _NODIRATIME, _NOSYMFOLLOW = 0x10, 0x20, 0x70, 0x80, 0x200000
# MS_ of mount(2): the super block's flags and the kinds of propagation.
_SYNC, _MAND, _DIRSYNC, _LAZYTIME = 0x10, 0x40, 0x80, 1 << 25
_REMOUNT, _BIND, _REC = 0x20, 0x1000, 0x4000
_UNBINDABLE, _PRIVATE, _SLAVE, _SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20

ATTRIBUTE_NAMES = (
    (_RDONLY, "ro"),
    (_NOSUID, "nosuid"),
    (_NODEV, "nodev"),
    (_NOEXEC, "noexec"),
    (_NOATIME, "noatime"),
    (_STRICTATIME, "strictatime"),
    (_NODIRATIME, "nodiratime"),
    (_NOSYMFOLLOW, "nosymfollow"),
)

# name: (kind, bits that it sets, bits that it clears). Of options that contradict each other the
# later one counts: bits = bits & ~clears | sets. The kinds:
#   attribute    MOUNT_ATTR_ bits of the mount itself
#   recursive    MOUNT_ATTR_ bits of the mount and all mounts below it (AT_RECURSIVE)
#   superblock   MS_ bits of the file system; fsconfig(2) takes the option's name as a flag
#   propagation  MS_ bits, in the order given, each a call of its own, after the mount
#   bind         MS_ bits
#   remount      MS_ bits
#   extension    the runtime's own work; no bits
#   idmap        id-mapped, AT_RECURSIVE set for the mounts below as well
#   nothing      allowed and without effect
#   impossible   crun's names for what no system call does: refused
# The kernel wants all of MOUNT_ATTR__ATIME cleared when the access time mode changes, and relatime
# is its zero. silent and loud only concern the kernel's log and cannot be said to fsconfig(2); nor
# can iversion, which file systems that count versions do always (since Linux 6.1).
MOUNT_OPTIONS = {
    "ro": ("attribute", _RDONLY, 0),
    "rw": ("attribute", 0, _RDONLY),
    "nosuid": ("attribute", _NOSUID, 0),
    "suid": ("attribute", 0, _NOSUID),
    "nodev": ("attribute", _NODEV, 0),
    "dev": ("attribute", 0, _NODEV),
    "noexec": ("attribute", _NOEXEC, 0),
    "exec": ("attribute", 0, _NOEXEC),
    "noatime": ("attribute", _NOATIME, _ATIME),
    "atime": ("attribute", 0, _ATIME),
    "relatime": ("attribute", 0, _ATIME),
    "norelatime": ("nothing", 0, 0),
    "strictatime": ("attribute", _STRICTATIME, _ATIME),
    "nostrictatime": ("attribute", 0, _ATIME),
    "nodiratime": ("attribute", _NODIRATIME, 0),
    "diratime": ("attribute", 0, _NODIRATIME),
    "nosymfollow": ("attribute", _NOSYMFOLLOW, 0),
    "symfollow": ("attribute", 0, _NOSYMFOLLOW),
    "rro": ("recursive", _RDONLY, 0),
    "rrw": ("recursive", 0, _RDONLY),
    "rnosuid": ("recursive", _NOSUID, 0),
    "rsuid": ("recursive", 0, _NOSUID),
    "rnodev": ("recursive", _NODEV, 0),
    "rdev": ("recursive", 0, _NODEV),
    "rnoexec": ("recursive", _NOEXEC, 0),
    "rexec": ("recursive", 0, _NOEXEC),
    "rnoatime": ("recursive", _NOATIME, _ATIME),
    "ratime": ("recursive", 0, _ATIME),
    "rrelatime": ("recursive", 0, _ATIME),
    "rnorelatime": ("nothing", 0, 0),
    "rstrictatime": ("recursive", _STRICTATIME, _ATIME),
    "rnostrictatime": ("recursive", 0, _ATIME),
    "rnodiratime": ("recursive", _NODIRATIME, 0),
    "rdiratime": ("recursive", 0, _NODIRATIME),
    "rnosymfollow": ("recursive", _NOSYMFOLLOW, 0),
    "rsymfollow": ("recursive", 0, _NOSYMFOLLOW),
    "sync": ("superblock", _SYNC, 0),
    "async": ("superblock", 0, _SYNC),
    "dirsync": ("superblock", _DIRSYNC, 0),
    "lazytime": ("superblock", _LAZYTIME, 0),
    "nolazytime": ("superblock", 0, _LAZYTIME),
    "mand": ("superblock", _MAND, 0),
    "nomand": ("superblock", 0, _MAND),
    "silent": ("nothing", 0, 0),
    "loud": ("nothing", 0, 0),
    "iversion": ("nothing", 0, 0),
    "noiversion": ("nothing", 0, 0),
    "private": ("propagation", _PRIVATE, 0),
    "slave": ("propagation", _SLAVE, 0),
    "shared": ("propagation", _SHARED, 0),
    "unbindable": ("propagation", _UNBINDABLE, 0),
    "rprivate": ("propagation", _PRIVATE | _REC, 0),
    "rslave": ("propagation", _SLAVE | _REC, 0),
    "rshared": ("propagation", _SHARED | _REC, 0),
    "runbindable": ("propagation", _UNBINDABLE | _REC, 0),
    "bind": ("bind", _BIND, 0),
    "rbind": ("bind", _BIND | _REC, 0),
    "remount": ("remount", _REMOUNT, 0),
    "defaults": ("nothing", 0, 0),
    "tmpcopyup": ("extension", 0, 0),
    "copy-symlink": ("extension", 0, 0),
    "src-nofollow": ("extension", 0, 0),
    "dest-nofollow": ("extension", 0, 0),
    "idmap": ("idmap", 0, 0),
    "ridmap": ("idmap", 0x8000, 0),
    "rsync": ("impossible", 0, 0),
    "rasync": ("impossible", 0, 0),
    "rdirsync": ("impossible", 0, 0),
    "rmand": ("impossible", 0, 0),
    "rnomand": ("impossible", 0, 0),
}
# Those that a rule has to look at more closely.
ODD_OPTIONS = frozenset(
    name for name, (kind, _, _) in MOUNT_OPTIONS.items() if kind in ("extension", "impossible")
)

# linux.rootfsPropagation: MS_ bits.
PROPAGATIONS = {
    name: bits for name, (kind, bits, _) in MOUNT_OPTIONS.items() if kind == "propagation"
}

# File systems that show a namespace: what a user namespace needs to be allowed to mount them.
SHOWN_NAMESPACES = {
    "proc": "a user namespace needs a pid namespace of its own, and a /proc that nothing covers",
    "sysfs": "a user namespace needs a network namespace of its own, or the option ro to bind /sys",
    "mqueue": "a user namespace needs an ipc namespace of its own",
}

# The only files of procfs that may be covered, as lxcfs does (runc; CVE-2019-16884).
MOUNTABLE_IN_PROC = (
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
)

# --- devices: path, type, major, minor (config-linux.md, "Default Devices") -------------------

DEFAULT_DEVICES = (
    ("/dev/null", "c", 1, 3),
    ("/dev/zero", "c", 1, 5),
    ("/dev/full", "c", 1, 7),
    ("/dev/random", "c", 1, 8),
    ("/dev/urandom", "c", 1, 9),
    ("/dev/tty", "c", 5, 0),
)

# --- what `spec` writes -----------------------------------------------------------------------

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

# --- limits: getrlimit(2) ---------------------------------------------------------------------

RLIMITS = {
    "RLIMIT_CPU": 0,
    "RLIMIT_FSIZE": 1,
    "RLIMIT_DATA": 2,
    "RLIMIT_STACK": 3,
    "RLIMIT_CORE": 4,
    "RLIMIT_RSS": 5,
    "RLIMIT_NPROC": 6,
    "RLIMIT_NOFILE": 7,
    "RLIMIT_MEMLOCK": 8,
    "RLIMIT_AS": 9,
    "RLIMIT_LOCKS": 10,
    "RLIMIT_SIGPENDING": 11,
    "RLIMIT_MSGQUEUE": 12,
    "RLIMIT_NICE": 13,
    "RLIMIT_RTPRIO": 14,
    "RLIMIT_RTTIME": 15,
}

# --- hooks, in the order in which they run ----------------------------------------------------

HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")

# --- kernel parameters of the ipc namespace, besides fs.mqueue.* (ipc_namespaces(7)) ----------

IPC_SYSCTLS = (
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
)
