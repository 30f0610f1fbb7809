"""Bundles that other runtimes were seen to refuse, or to accept in silence: what this one says.

The rows are observed runs of runc and crun. Their words are kept where they have any; where the
specification wants an error that neither gives, this runtime gives one. Rows whose test stands in
another file are in ELSEWHERE. Those of mounts and of the root file system stand with these.
"""

import json
from pathlib import Path

import pytest
from functional import inside

LIMIT = {"type": "RLIMIT_NOFILE", "soft": 5, "hard": 10}
NULL = {"type": "c", "path": "/etc/file", "major": 1, "minor": 3}

# Title: (pointer to what is set, value or None to take it away, what is said of config.json
# without the list of allowed words).
INVALID = {
    "ociVersion banana": (
        "/ociVersion", "banana",
        '/ociVersion: is not a version in the form of Semantic Versioning 2.0.0; found the string "banana", wanted a version such as 1.3.0',
    ),
    "ociVersion 2.0.0": (
        "/ociVersion", "2.0.0",
        '/ociVersion: found "2.0.0"; only versions 1.x are understood',
    ),
    "no process": (
        "/process", None,
        "/process: process property must not be empty",
    ),
    "no root": (
        "/root", None,
        "/root: root must be specified",
    ),
    "no linux, with a hostname": (
        "/linux", None,
        "/hostname: unable to set hostname without a private UTS namespace",
    ),
    "args []": (
        "/process/args", [],
        "/process/args: args must not be empty",
    ),
    "relative cwd": (
        "/process/cwd", "tmp",
        '/process/cwd: Cwd must be an absolute path; found the string "tmp", wanted an absolute path',
    ),
    "rlimit twice": (
        "/process/rlimits", [LIMIT, LIMIT],
        "/process/rlimits/1: rlimit RLIMIT_NOFILE is given twice",
    ),
    "rlimit RLIMIT_FOO": (
        "/process/rlimits", [{**LIMIT, "type": "RLIMIT_FOO"}],
        "/process/rlimits/0/type: wrong rlimit value: RLIMIT_FOO",
    ),
    "env FOO": (
        "/process/env", ["FOO"],
        "/process/env/0: invalid environment variable: missing '='",
    ),
    "namespace twice": (
        "/linux/namespaces/6", {"type": "pid"},
        '/linux/namespaces/6: malformed spec file: duplicated ns {"pid" ""}',
    ),
    "namespace type foo": (
        "/linux/namespaces/6", {"type": "foo"},
        '/linux/namespaces/6/type: namespace {"foo" ""} does not exist',
    ),
    "namespace path relative": (
        "/linux/namespaces/2", {"type": "ipc", "path": "ns"},
        '/linux/namespaces/2/path: the path of a namespace must be absolute; found the string "ns", wanted an absolute path, or nothing for a new namespace',
    ),
    "userns without maps": (
        "/linux/namespaces/6", {"type": "user"},
        "/linux/uidMappings: user namespaces enabled, but no uid mappings found; /linux/gidMappings: user namespaces enabled, but no gid mappings found",
    ),
    "uidMappings without userns": (
        "/linux/uidMappings", [{"containerID": 0, "hostID": 0, "size": 1}],
        "/linux/uidMappings: uid mappings found, but no user namespace",
    ),
    "sysctl vm.swappiness": (
        "/linux/sysctl", {"vm.swappiness": "1"},
        '/linux/sysctl/vm.swappiness: sysctl "vm.swappiness" is not in a separate kernel namespace',
    ),
    "sysctl kernel.hostname": (
        "/linux/sysctl", {"kernel.hostname": "a"},
        '/linux/sysctl/kernel.hostname: sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field',
    ),
    "device type z": (
        "/linux/devices", [{**NULL, "type": "z"}],
        '/linux/devices/0/type: invalid device type "z"',
    ),
    "rootfsPropagation foo": (
        "/linux/rootfsPropagation", "foo",
        "/linux/rootfsPropagation: rootfsPropagation=foo is not supported",
    ),
    "seccomp action unknown": (
        "/linux/seccomp", {"defaultAction": "SCMP_ACT_FOO"},
        "/linux/seccomp/defaultAction: string SCMP_ACT_FOO is not a valid action for seccomp",
    ),
    "defaultErrnoRet with ALLOW": (
        "/linux/seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1},
        "/linux/seccomp/defaultErrnoRet: an errno is given, but SCMP_ACT_ALLOW returns none",
    ),
    "errnoRet with ALLOW": (
        "/linux/seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG", "errnoRet": 1}]},
        "/linux/seccomp/syscalls/0/errnoRet: an errno is given, but SCMP_ACT_LOG returns none",
    ),
    "timeOffsets without time ns": (
        "/linux/timeOffsets", {"boottime": {"secs": 1}},
        "/linux/timeOffsets: time namespace offsets specified, but time namespace isn't enabled in the config",
    ),
    "offset of another clock": (
        "/linux/timeOffsets", {"realtime": {"secs": 1}},
        "/linux/timeOffsets/realtime: only boottime and monotonic can have offsets",
    ),
    "personality flags": (
        "/linux/personality", {"domain": "LINUX", "flags": ["A"]},
        "/linux/personality/flags: no flag is supported: the specification defines none",
    ),
    'uid "0"': (
        "/process/user/uid", "0",
        '/process/user/uid: found the string "0", wanted an integer from 0 to 4294967295',
    ),
    "uid -1": (
        "/process/user/uid", -1,
        "/process/user/uid: found the integer -1, wanted an integer from 0 to 4294967295",
    ),
    "uid 4294967295": (
        "/process/user/uid", 4294967295,
        "/process/user/uid: 4294967295 is no id: to the kernel it means that nothing changes",
    ),
}  # fmt: skip
# The same for what only the kernel or the root file system shows; here the whole message.
IMPOSSIBLE = {
    "cwd in a descriptor": (
        "/process/cwd", "/proc/self/fd/3",
        "make the working directory /proc/self/fd/3: too many levels of symbolic links",
    ),
    "namespace path missing": (
        "/linux/namespaces/2", {"type": "ipc", "path": "/no/such"},
        "join the ipc namespace /no/such: no such file or directory",
    ),
    "device over an existing regular file": (
        "/linux/devices", [NULL],
        "make the device /etc/file: the rootfs has something else of that name; remove it from the image or mount a tmpfs on /dev",
    ),
}  # fmt: skip
# Rows that a test in another file of this directory tries.
ELSEWHERE = {
    "args /nosuch, nosuchcmd, /etc": "test_process::test_a_program_that_cannot_run_is_told_as_engines_know_it",
    "missing cwd": "test_process::test_a_missing_working_directory_is_made_also_below_a_readonly_root",
    "cwd in a descriptor of the host": "test_process::test_an_open_descriptor_of_the_host_is_no_working_directory",
    "capability CAP_FOO": "test_process::test_an_unknown_capability_is_a_warning",
    "capabilities object absent": "test_process::test_without_lists_root_keeps_what_the_caller_has",
    "hook exits 3": "test_hooks::test_the_error_names_the_hook_and_shows_its_output",
    "hook over timeout": "test_hooks::test_a_hook_may_take_its_time_but_not_more",
    "poststart fails": "test_hooks::test_a_failed_poststart_hook_kills_the_container",
    "poststop fails": "test_hooks::test_a_failed_poststop_hook_is_only_warned_of",
    "masks without mount ns": "test_rootfs::test_masks_need_a_mount_namespace",
    "memory.kernelTCP on cg2": "test_limits::test_what_version_2_has_not_is_warned_of_by_name",
    "controller missing on cg2": "test_limits::test_a_controller_of_version_1_is_named_with_the_cure",
    "terminal, stdin no tty, foreground": "test_terminal::test_without_a_terminal_it_says_so_and_makes_nothing",
    "terminal, -d, no socket": "test_console_socket::test_a_terminal_without_a_socket_is_refused",
    "config.json broken": "test_wrong_input::test_a_file_that_is_no_configuration",
    "config.json or bundle absent": "test_wrong_input::test_a_command_line_that_cannot_be_followed",
}


def put(config, pointer, value):
    """Set what a JSON pointer leads to; a list is made longer; None takes it away."""
    *way, last = pointer.split("/")[1:]
    for name in way:
        config = config[int(name)] if isinstance(config, list) else config.setdefault(name, {})
    if value is None:
        del config[last]
    elif isinstance(config, list):
        config[int(last) : int(last) + 1] = [value]
    else:
        config[last] = value


@pytest.fixture
def message(runtime, bundle, containers, tmp_path):
    """Callable: try to create and to run the bundle; return what both say, without the prefix."""

    def message():
        told = set()
        for command in ("create", "run"):
            done = runtime("--log", tmp_path / "log", command, "--bundle", bundle.save(), "c1")
            assert (done.returncode, done.stdout) == (1, "")
            told.add(done.stderr.removeprefix(f"pyruntime {command} failed: "))
            assert containers.ids() == []
        assert len(told) == 1
        return told.pop().removesuffix("\n")

    return message


@pytest.mark.parametrize(("pointer", "value", "words"), INVALID.values(), ids=INVALID)
def test_what_is_invalid_is_refused_with_its_place(message, bundle, pointer, value, words):
    put(bundle.config, pointer, value)
    said = message()
    assert said.partition("; allowed are ")[0] == f"invalid config.json: {words}"


@pytest.mark.parametrize(("pointer", "value", "words"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_done_is_refused_with_the_reason(message, bundle, pointer, value, words):
    (bundle.rootfs / "etc/file").write_text("")
    put(bundle.config, pointer, value)
    assert message() == words
    assert (bundle.rootfs / "etc/file").read_text() == ""


def test_unknown_keys_are_accepted_everywhere_and_change_nothing(bundle, runtime):
    """Runtimes … MUST otherwise ignore them (config.md, "Extensibility")."""
    for pointer in ("", "/root", "/process", "/process/user", "/mounts/0", "/linux", "/linux/namespaces/0"):
        put(bundle.config, f"{pointer}/unknownKey", {"any": ["thing"]})
    put(bundle.config, "/windows", {"layerFolders": 5})
    assert inside.said(bundle, runtime, "echo yes") == "yes\n"
    done = runtime("validate", "--format", "json", bundle.path)
    told = [each["pointer"] for each in json.loads(done.stdout)["warnings"]]
    assert done.returncode == 0
    assert len([pointer for pointer in told if pointer.endswith("/unknownKey")]) == 7
    assert "/windows" in told


@pytest.mark.parametrize("title", ELSEWHERE)
def test_the_other_rows_have_their_test(title):
    file, _, name = ELSEWHERE[title].partition("::")
    assert f"\ndef {name}(" in Path(__file__).with_name(f"{file}.py").read_text()
