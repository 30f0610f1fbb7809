"""The tables of words agree with each other, with the schema and with the system."""

from __future__ import annotations

import os
import re
import resource
import stat
import subprocess
import tempfile

import pytest

from pyruntime.spec import explain, processwords, seccompwords, words

SCHEMA = explain.schema("config")["$defs"]
ATIME = 0x70
# config.md, "Linux mount options": all that MUST and SHOULD be implemented, the MAYs too.
OPTIONS = """async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev
nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private
ratime rbind rdev rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime
rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid
rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable
idmap ridmap""".split()


@pytest.mark.parametrize(
    ("known", "listed"),
    [
        (words.NAMESPACES, SCHEMA["Namespace"]["properties"]["type"]["enum"]),
        (words.RLIMITS, SCHEMA["Rlimit"]["properties"]["type"]["enum"]),
        (words.PROPAGATIONS, SCHEMA["Linux"]["properties"]["rootfsPropagation"]["enum"]),
        (words.HOOKS, SCHEMA["Hooks"]["properties"]),
        (processwords.POLICIES, SCHEMA["Scheduler"]["properties"]["policy"]["enum"]),
        (processwords.SCHEDULER_FLAGS, SCHEMA["Scheduler"]["properties"]["flags"]["items"]["enum"]),
        (processwords.IO_CLASSES, SCHEMA["IoPriority"]["properties"]["class"]["enum"]),
        (processwords.DOMAINS, SCHEMA["Personality"]["properties"]["domain"]["enum"]),
        (processwords.MEMORY_POLICIES, SCHEMA["MemoryPolicy"]["properties"]["mode"]["enum"]),
        (processwords.MEMORY_POLICY_FLAGS, SCHEMA["MemoryPolicy"]["properties"]["flags"]["items"]["enum"]),
        (seccompwords.ACTIONS, SCHEMA["SeccompAction"]["enum"]),
        (seccompwords.ARCHITECTURES, SCHEMA["SeccompArch"]["enum"]),
        (seccompwords.OPERATORS, SCHEMA["SyscallArgument"]["properties"]["op"]["enum"]),
        (seccompwords.FLAGS, SCHEMA["Seccomp"]["properties"]["flags"]["items"]["enum"]),
    ],
)
def test_a_table_has_exactly_the_words_of_the_schema(known, listed):
    assert sorted(known) == sorted(listed)


def test_every_mount_option_of_the_specification_is_known():
    assert set(OPTIONS) <= set(words.MOUNT_OPTIONS)


def test_every_mount_option_has_a_kind_that_is_told_in_the_table():
    kinds = {kind for kind, _, _ in words.MOUNT_OPTIONS.values()}
    assert kinds == {
        "attribute", "recursive", "superblock", "propagation", "bind", "remount", "extension",
        "idmap", "nothing", "impossible",
    }  # fmt: skip


def test_changes_of_the_access_time_mode_clear_the_whole_mode():
    for name, (kind, sets, clears) in words.MOUNT_OPTIONS.items():
        if kind in ("attribute", "recursive") and (sets | clears) & ATIME:
            assert clears & ATIME == ATIME, name


def test_each_recursive_option_does_what_its_plain_one_does():
    for name, (kind, sets, clears) in words.MOUNT_OPTIONS.items():
        if kind == "recursive":
            assert words.MOUNT_OPTIONS[name[1:]] == ("attribute", sets, clears)


def test_opposites_undo_each_other():
    for name, (kind, sets, _) in words.MOUNT_OPTIONS.items():
        other = {"ro": "rw", "rro": "rrw", "sync": "async"}.get(name, name.replace("no", "", 1))
        if kind in ("attribute", "recursive", "superblock") and sets and other != name:
            assert sets & ~words.MOUNT_OPTIONS[other][2] == 0, name


def test_attribute_names_are_options_that_set_these_bits():
    for bit, name in words.ATTRIBUTE_NAMES:
        assert words.MOUNT_OPTIONS[name][1] == bit


def test_limits_have_the_numbers_of_this_system():
    for name, number in words.RLIMITS.items():
        if hasattr(resource, name):
            assert number == getattr(resource, name), name


def test_attributes_have_the_numbers_of_the_headers():
    names = {
        **{name.replace("OTHER", "NORMAL"): number for name, number in processwords.POLICIES.items()},
        **processwords.SCHEDULER_FLAGS,
        **processwords.IO_CLASSES,
        **{f"PER_{name}": number for name, number in processwords.DOMAINS.items()},
        **processwords.MEMORY_POLICIES,
        **processwords.MEMORY_POLICY_FLAGS,
    }
    headers = ("linux/sched", "linux/ioprio", "linux/mempolicy", "sys/personality")
    head = "".join(f"#include <{name}.h>\n" for name in ("stdio", *headers))
    known = set(re.findall(r"\w+", compiled(head, "-E", "-dD")))  # older headers lack the newest
    known -= {"SCHED_ISO"}  # a number that they only reserve
    asked = [name for name in names if name in known]
    assert len(asked) >= len(names) - 3
    lines = "".join(f'printf("%s %ld\\n", "{name}", (long)({name}));\n' for name in asked)
    with tempfile.TemporaryDirectory() as place:
        compiled(f"{head}int main(void) {{ {lines} }}\n", "-o", f"{place}/told")
        told = subprocess.run([f"{place}/told"], capture_output=True, text=True).stdout
    found = dict(line.split() for line in told.splitlines())
    assert {name: int(number) for name, number in found.items()} == {name: names[name] for name in asked}


def compiled(text, *options):
    """Give a text to the C compiler; return what it prints."""
    command = ["cc", "-x", "c", "-", *options]
    return subprocess.run(command, input=text, text=True, check=True, capture_output=True).stdout


def test_default_devices_are_those_of_this_system():
    for path, kind, major, minor in words.DEFAULT_DEVICES:
        found = os.stat(path)
        assert kind == "c"
        assert stat.S_ISCHR(found.st_mode)
        assert (os.major(found.st_rdev), os.minor(found.st_rdev)) == (major, minor)


def test_seccomp_numbers_are_those_of_libseccomp():
    seccomp = pytest.importorskip("seccomp", reason="libseccomp's binding is not installed")
    binding = {
        "SCMP_ACT_KILL": seccomp.KILL, "SCMP_ACT_KILL_PROCESS": seccomp.KILL_PROCESS,
        "SCMP_ACT_TRAP": seccomp.TRAP, "SCMP_ACT_ALLOW": seccomp.ALLOW, "SCMP_ACT_LOG": seccomp.LOG,
        "SCMP_ACT_NOTIFY": seccomp.NOTIFY, "SCMP_ACT_ERRNO": seccomp.ERRNO(0),
        "SCMP_ACT_TRACE": seccomp.TRACE(0),
    }  # fmt: skip
    for name, number in binding.items():
        assert seccompwords.ACTIONS[name] == number & 0xFFFFFFFF, name  # a C int
    for name, number in seccompwords.OPERATORS.items():
        assert getattr(seccomp, name.removeprefix("SCMP_CMP_")) == number, name
