"""process.apparmorProfile and process.selinuxLabel where the kernel has neither, and their files.

No test can load a policy, so of the writing itself what the kernel's own files do is looked at: it
goes through a private procfs, into the file of the writing task, before anything is given up.
"""

import os
import posix
import subprocess
from pathlib import Path

import pytest
from functional import inside
from functional.inside import mountinfo, refused, said
from functional.labelled import claiming as claiming

from pyruntime import errors
from pyruntime.feature import confinement, procfs

LABEL = "system_u:system_r:container_t:s0"
MODULES = confinement.look()
without_apparmor = pytest.mark.skipif(bool(MODULES.apparmor), reason="AppArmor is on here")
without_selinux = pytest.mark.skipif(MODULES.selinux, reason="SELinux is on here")


@without_apparmor
def test_a_profile_without_apparmor_is_refused_with_the_cure(bundle, runtime):
    bundle.config["process"]["apparmorProfile"] = "docker-default"
    told = refused(bundle, runtime)
    assert 'process.apparmorProfile: \\"docker-default\\" cannot be applied' in told
    assert "AppArmor is not enabled on this host (leave the key out, or boot with" in told


@without_selinux
def test_a_label_without_selinux_is_refused_with_the_cure(bundle, runtime):
    bundle.config["process"]["selinuxLabel"] = LABEL
    told = refused(bundle, runtime)
    assert f'process.selinuxLabel: \\"{LABEL}\\" cannot be applied' in told
    assert "SELinux is disabled or not supported on this host (leave the key out" in told


@without_apparmor
def test_without_apparmor_unconfined_is_what_everything_is(bundle, runtime):
    bundle.config["process"]["apparmorProfile"] = "unconfined"
    assert said(bundle, runtime, "echo here") == "here\n"


@pytest.mark.skipif(not MODULES.apparmor, reason="AppArmor is off here")
def test_a_profile_that_is_not_loaded_is_said_so(bundle, runtime):
    bundle.config["process"]["apparmorProfile"] = "no-such-profile"
    told = refused(bundle, runtime)
    assert "process.apparmorProfile (is it loaded?): no such file or directory" in told


@pytest.mark.skipif(not MODULES.selinux, reason="SELinux is off here")
def test_with_selinux_the_payload_has_the_label(bundle, runtime):
    """The test's own label in another category: a type for containers would want a labelled image."""
    own = Path("/proc/self/attr/current").read_text()
    label = ":".join(own.split(":")[:3]) + ":s0:c7"
    bundle.config["process"]["selinuxLabel"] = label
    assert said(bundle, runtime, "cat /proc/self/attr/current").strip("\0\n") == label


def test_only_modules_with_a_policy_count_as_on(monkeypatch):
    """A task has no label where SELinux is off, and is called `kernel` before a policy is there."""
    monkeypatch.setattr(confinement, "_is_selinuxfs", lambda _: True)
    for label, on in (("", False), ("kernel", False), ("system_u:system_r:init_t:s0", True)):
        monkeypatch.setattr(confinement, "_read", lambda _, label=label: label)
        assert confinement.look().selinux == on
    monkeypatch.setattr(confinement, "_read", lambda file: "Y" if "apparmor" in file else "")
    assert confinement.look().apparmor in ("attr/apparmor/exec", "attr/exec")


def test_a_missing_file_of_the_kernel_reads_as_nothing():
    assert confinement._read("/sys/no/such/file") == ""
    assert confinement._is_selinuxfs("/no/such/directory") is False
    assert confinement._is_selinuxfs("/proc") is False


# ---- the whole way, on a kernel that is said to have AppArmor ----

@pytest.mark.parametrize("no_new_privs", [True, False])
@pytest.mark.parametrize("proc", [True, False])
def test_the_file_of_the_task_is_written_with_and_without_a_proc_in_the_container(
    bundle, claiming, containers, no_new_privs, proc
):
    """The name of a task is a file beside those of labels, and who reads it sees what was written."""
    bundle.config["process"] |= {
        "apparmorProfile": "box", "args": ["sleep", "60"], "noNewPrivileges": no_new_privs,
        "user": {"uid": 7, "gid": 8},
    }  # fmt: skip
    if not proc:
        mounts = bundle.config["mounts"]
        bundle.config["mounts"] = [each for each in mounts if each["type"] != "proc"]
        bundle.config["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
    assert claiming("comm") == (0, "")
    pid = containers.state("c1")["pid"]
    assert Path(f"/proc/{pid}/comm").read_text() == "exec box\n"
    kept = {os.readlink(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd")}
    assert "/" not in kept  # a procfs that is mounted nowhere


def test_in_a_joined_pid_namespace_the_label_is_written_before_it_is_joined(
    bundle, claiming, containers
):
    with subprocess.Popen(
        ["unshare", "--fork", "--pid", "--kill-child", "cat"], stdin=subprocess.PIPE
    ) as held:
        link, own = f"/proc/{held.pid}/ns/pid_for_children", os.stat("/proc/self/ns/pid").st_ino
        inside.eventually(lambda: os.path.exists(link) and os.stat(link).st_ino != own)
        inside.at(bundle, "pid", link)
        bundle.config["process"] |= {"apparmorProfile": "box", "args": ["sleep", "60"]}
        assert claiming("comm") == (0, "")
        pid = containers.state("c1")["pid"]
        assert Path(f"/proc/{pid}/comm").read_text() == "exec box\n"
        held.stdin.close()


@without_apparmor
@without_selinux
def test_what_the_kernel_refuses_fails_create_and_leaves_nothing(bundle, claiming, containers):
    bundle.config["process"]["apparmorProfile"] = "box"
    code, told = claiming("attr/exec")
    assert code == 1
    assert 'unable to apply the profile \\"box\\" of process.apparmorProfile' in told
    assert told.count("\n") == 1
    assert containers.ids() == []


@without_apparmor
@without_selinux
def test_a_label_goes_to_the_kernel_which_refuses_it_without_a_policy(bundle, claiming, containers):
    bundle.config["process"]["selinuxLabel"] = LABEL
    for options, words in (
        ([], f"label the session keyring {LABEL}: "),
        (["--no-new-keyring"], f'unable to set the label \\"{LABEL}\\" of process.selinuxLabel'),
    ):
        code, told = claiming("", *options)
        assert (code, told.count("\n")) == (1, 1)
        assert words in told
        assert containers.ids() == []


# ---- the private procfs ----


def test_the_procfs_for_labels_holds_processes_only():
    before = mountinfo()
    handle = procfs.own_processes()
    try:
        here = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=handle)
        names = set(os.listdir(here))
        os.close(here)
        assert {"self", "thread-self"} <= names
        assert {"sys", "sysrq-trigger", "kcore"}.isdisjoint(names)
        assert not os.get_inheritable(handle)
        assert mountinfo() == before
    finally:
        os.close(handle)


def test_keys_are_labelled_through_it(monkeypatch):
    """The kernel takes a label for keys only from SELinux's policy; the file is always there."""
    opened = []
    openat2 = confinement.path.openat2

    def noted(directory, file, flags, resolve):
        descriptor = openat2(directory, file, flags, resolve)
        opened.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        return descriptor

    monkeypatch.setattr(confinement.path, "openat2", noted)
    steps = confinement.plan({"selinuxLabel": "no:such:label:s0"})
    handle = procfs.own_processes()
    try:
        with pytest.raises(errors.KernelError) as failure, confinement.keys_labelled(steps, handle):
            pytest.fail("no policy knows this label")
    finally:
        os.close(handle)
    assert failure.value.say().startswith("label the session keyring no:such:label:s0: ")
    assert opened == [f"/{os.getpid()}/task/{os.getpid()}/attr/keycreate"]


def test_the_label_of_keys_is_set_and_taken_back(monkeypatch):
    wrote = []
    monkeypatch.setattr(
        confinement, "posix", type("posix", (), {**vars(posix), "write": lambda _, text: wrote.append(text)})
    )  # fmt: skip
    handle = procfs.own_processes()
    for process, expected in (({"selinuxLabel": "l"}, [b"l", b""]), ({"apparmorProfile": "p"}, [])):
        with confinement.keys_labelled(confinement.plan(process), handle):
            assert wrote == expected[:1]
        assert wrote == expected
        wrote.clear()
    os.close(handle)
