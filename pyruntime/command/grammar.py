"""The command line as data: every command, every option, what kind of value it takes.

Two readers work from these tables: `fast` (exact, for the lines that engines send) and `full`
(click, for everything else). Names, kinds and meanings are runc's (runc(8)); `--cgroup-manager`,
`--log-level`, `--criu` and spec's `--file` are crun's or of older runcs, since callers pass them;
`validate`, `plan`, `wait` and `stats` are ours.

An option is (names, kind, word for its value in the help, sentence); the first name is its key,
names carry no dashes: Go takes one dash and two alike. Kinds: "flag", "text", "path" (made
absolute against the caller's directory), "number", "texts" (may be repeated, all count).
A command is (positionals, least, most, stops, sentence, options): `stops` means that no option is
read after the first positional (runc's StopOnNthArg).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Value = str | int | bool | list[str]
    Values = dict[str, Value]
    Option = tuple[tuple[str, ...], str, str, str]
    Command = tuple[str, int, int, bool, str, tuple[Option, ...]]

NAME = "pyruntime"
COMPLETION = "_PYRUNTIME_COMPLETE"
HIDDEN = frozenset(("kernel_memory", "kernel_memory_tcp"))  # keys that no help tells of
LOGGED = frozenset(("log", "log_format", "log_level", "debug"))  # keys that concern the log

GLOBAL: tuple[Option, ...] = (
    (("debug",), "flag", "", "log debug messages; show the traceback of an internal error"),
    (("log",), "path", "FILE", "write the log to FILE instead of standard error"),
    (("log-format",), "text", "FORMAT", "format of the log: text (default) or json"),
    (("log-level",), "text", "LEVEL", "least level to log: debug, info (default), warning, error"),
    (("root",), "path", "DIR", "directory of the containers' state (should be on a tmpfs)"),
    (("systemd-cgroup",), "flag", "", "let systemd make the cgroups"),
    (
        ("cgroup-manager",),
        "text",
        "MANAGER",
        "who makes the cgroups: cgroupfs (default), systemd, disabled",
    ),
    (("rootless",), "text", "BOOL", "ignore cgroup permission errors: true, false or auto"),
    (("criu",), "text", "FILE", "accepted for older callers; criu is looked up in $PATH"),
    (("version", "v"), "flag", "", "print the version"),
)

_BUNDLE: Option = (("bundle", "b"), "path", "DIR", "directory of the bundle (default: this one)")
_CREATE: tuple[Option, ...] = (
    _BUNDLE,
    (("console-socket",), "path", "SOCKET", "AF_UNIX socket that receives the terminal"),
    (("pidfd-socket",), "path", "SOCKET", "AF_UNIX socket that receives a pidfd of the init"),
    (("pid-file",), "path", "FILE", "file to write the process id to"),
    (("no-pivot",), "flag", "", "do not use pivot_root (for a root file system on a ramdisk)"),
    (("no-new-keyring",), "flag", "", "keep the caller's session keyring"),
    (("preserve-fds",), "number", "N", "pass N more descriptors on, from 3 upwards"),
)

_LIMITS: tuple[Option, ...] = tuple(
    ((name,), "text", word, sentence)
    for name, word, sentence in (
        ("blkio-weight", "N", "weight of block I/O, 10 to 1000"),
        ("cpu-period", "USEC", "period of the quota in microseconds"),
        ("cpu-quota", "USEC", "processor time in each period, -1 for no limit"),
        ("cpu-burst", "USEC", "time that may be saved up for a burst"),
        ("cpu-share", "N", "shares of processor time, 2 to 262144"),
        ("cpu-rt-period", "USEC", "ignored: cgroup v2 has no limits of real-time processes"),
        ("cpu-rt-runtime", "USEC", "ignored likewise"),
        ("cpuset-cpus", "LIST", "processors to run on, such as 0-3,7"),
        ("cpuset-mems", "LIST", "memory nodes to use"),
        ("memory", "BYTES", "limit of memory; k, m and g may follow the number, -1 for none"),
        ("cpu-idle", "N", "1 for the idle scheduling of the whole cgroup, 0 to end it"),
        ("memory-reservation", "BYTES", "memory that is reclaimed last"),
        ("memory-swap", "BYTES", "limit of memory and swap together, -1 for none"),
        ("pids-limit", "N", "limit of processes, -1 for none"),
        ("l3-cache-schema", "LINE", "schema of the L3 cache for resctrl"),
        ("mem-bw-schema", "LINE", "schema of the memory bandwidth for resctrl"),
        ("kernel-memory", "BYTES", "ignored, for older callers"),
        ("kernel-memory-tcp", "BYTES", "ignored, for older callers"),
    )
)
_MANY = 1 << 16

COMMANDS: dict[str, Command] = {
    "create": ("ID", 1, 1, False, "create a container", _CREATE),
    "start": ("ID", 1, 1, False, "run the user's process in a created container", ()),
    "state": ("ID", 1, 1, False, "print the state of a container", ()),
    "kill": (
        "ID [SIGNAL]",
        1,
        2,
        True,
        "send a signal (default: SIGTERM) to the container's init",
        ((("all", "a"), "flag", "", "to every process; a stopped container is no error then"),),
    ),
    "delete": (
        "ID",
        1,
        1,
        False,
        "delete a stopped container and all that it holds",
        ((("force", "f"), "flag", "", "kill it first; no error if there is none"),),
    ),
    "ps": (
        "ID [PS-OPTION]...",
        1,
        _MANY,
        True,
        "list the processes of a container, by ps(1) with its options (default: -ef)",
        ((("format", "f"), "text", "FORMAT", "table (default) or json (their ids)"),),
    ),
    "events": (
        "ID",
        1,
        1,
        False,
        "print what a container uses, and its OOM kills, as lines of JSON",
        (
            (("interval",), "text", "DURATION", "time between two stats, as 500ms (default: 5s)"),
            (("stats",), "flag", "", "print the stats once"),
            (("network",), "flag", "", "with the counters of its network interfaces"),
        ),
    ),
    "pause": ("ID", 1, 1, False, "freeze all processes of a container", ()),
    "resume": ("ID", 1, 1, False, "let a paused container go on", ()),
    "wait": ("ID", 1, 1, False, "wait until a container has ended; print its exit status", ()),
    "run": (
        "ID",
        1,
        1,
        False,
        "create a container and run it",
        (
            *_CREATE,
            (("detach", "d"), "flag", "", "leave the container's process in the background"),
            (("keep",), "flag", "", "do not delete the container when its process has ended"),
            (("no-subreaper",), "flag", "", "do not become the reaper of orphans"),
        ),
    ),
    "exec": (
        "ID [COMMAND [ARG...]]",
        1,
        _MANY,
        True,
        "run another process in a container",
        (
            (("console-socket",), "path", "SOCKET", "AF_UNIX socket that receives the terminal"),
            (("pidfd-socket",), "path", "SOCKET", "AF_UNIX socket that receives a pidfd of it"),
            (("cwd",), "text", "DIR", "its working directory in the container"),
            (("env", "e"), "texts", "NAME=VALUE", "set an environment variable"),
            (("tty", "t"), "flag", "", "give it a terminal"),
            (("user", "u"), "text", "UID[:GID]", "run it as that user"),
            (("additional-gids", "g"), "texts", "GID", "give it a further group"),
            (("process", "p"), "path", "FILE", "read the process from a JSON file"),
            (("detach", "d"), "flag", "", "leave it in the background"),
            (("pid-file",), "path", "FILE", "file to write its process id to"),
            (("process-label",), "text", "LABEL", "run it under that SELinux label"),
            (("apparmor",), "text", "PROFILE", "run it under that AppArmor profile"),
            (("no-new-privs",), "flag", "", "let it never gain privileges"),
            (("cap", "c"), "texts", "CAP", "give it a further capability"),
            (("preserve-fds",), "number", "N", "pass N more descriptors on, from 3 upwards"),
            (("cgroup",), "texts", "PATH", "run it in that cgroup below the container's"),
            (("ignore-paused",), "flag", "", "begin even where a paused container holds it"),
        ),
    ),
    "list": (
        "",
        0,
        0,
        False,
        "list the containers under the state root",
        (
            (("format", "f"), "text", "FORMAT", "table (default) or json"),
            (("quiet", "q"), "flag", "", "print the ids only"),
        ),
    ),
    "stats": (
        "[ID]...",
        0,
        _MANY,
        False,
        "show what containers use, all of them unless some are named",
        (
            (("format", "f"), "text", "FORMAT", "table (default), json or prometheus"),
            (("watch", "w"), "flag", "", "time and again, until it is interrupted"),
            (("interval",), "text", "DURATION", "share of the processor over that time, as 500ms"),
        ),
    ),
    "spec": (
        "",
        0,
        0,
        False,
        "write a new config.json to start from",
        (
            (("bundle", "b"), "path", "DIR", "directory to write to (default: this one)"),
            (("file", "f"), "text", "FILE", "name of the file (default: config.json)"),
            (("rootless",), "flag", "", "for a container of a user other than root"),
        ),
    ),
    "validate": (
        "[BUNDLE]",
        0,
        1,
        False,
        "say all that is wrong in a bundle's config.json",
        ((("format", "f"), "text", "FORMAT", "text (default) or json"),),
    ),
    "plan": (
        "[BUNDLE]",
        0,
        1,
        False,
        "say step by step what create would do, and do none of it",
        ((("format", "f"), "text", "FORMAT", "text (default) or json"),),
    ),
    "update": (
        "ID",
        1,
        1,
        False,
        "change the limits of a container",
        (
            (
                ("resources", "r"),
                "text",
                "FILE",
                "JSON of linux.resources, - for standard input; other limits are ignored then",
            ),
            *_LIMITS,
        ),
    ),
    "features": ("", 0, 0, False, "print what this runtime can do, as JSON", ()),
}


def key(option: Option) -> str:
    """Return the name under which the value of `option` is kept ("preserve_fds")."""
    return option[0][0].replace("-", "_")


def texts(values: Values, name: str) -> list[str]:
    """Return all values that a repeatable option was given."""
    found = values.get(name)
    return found if isinstance(found, list) else []


def number(values: Values, name: str) -> int:
    """Return the value of a "number", 0 if it was not given."""
    found = values.get(name)
    return found if isinstance(found, int) else 0


class Line:
    """A command line that was read.

    Args:
        settings: values of the global options, by key; a flag that is off is left out.
        command: name of the command ("version" for --version).
        options: values of the command's own options, likewise.
        words: the positionals.
    """

    __slots__ = ("command", "options", "settings", "words")

    def __init__(
        self, settings: Values, command: str, options: Values, words: tuple[str, ...]
    ) -> None:
        self.settings, self.command, self.options, self.words = settings, command, options, words

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, Line) and all(
            getattr(self, slot) == getattr(other, slot) for slot in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show the content."""
        return f"Line({self.settings!r}, {self.command!r}, {self.options!r}, {self.words!r})"
