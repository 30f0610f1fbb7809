"""linux.mountLabel on this machine: the labels where SELinux is on, a warning where it is not."""

import os

import pytest
from functional.inside import Mounted, mounts, said

from pyruntime.feature import host, mountlabel
from pyruntime.kernel import mount

LABEL = "system_u:object_r:container_file_t:s0:c7,c15"
ON = host.selinux_enabled()


def test_without_selinux_a_label_is_warned_of_and_left_out(bundle, runtime):
    """Neither the mounts nor the directories of masks get it: the kernel would refuse the option."""
    if ON:
        pytest.skip("SELinux is enabled here")
    bundle.config["linux"]["mountLabel"] = LABEL
    bundle.config["linux"]["maskedPaths"] = ["/etc"]
    bundle.config["process"]["args"] = ["cat", "/proc/self/mountinfo"]
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert done.returncode == 0, done.stderr
    assert "/dev/shm" in mounts(done.stdout)
    assert LABEL not in done.stdout
    (line,) = done.stderr.splitlines()
    assert "level=warning" in line
    assert "linux.mountLabel: SELinux is off on this host, the mounts bear no label" in line


def test_an_empty_label_asks_for_nothing(bundle, runtime):
    bundle.config["linux"]["mountLabel"] = ""
    assert said(bundle, runtime, "echo here") == "here\n"


def test_the_root_of_a_detached_mount_gets_its_attribute(containers):
    """A tmpfs keeps the attribute without SELinux too; nothing of it is attached anywhere."""
    if ON:
        pytest.skip("SELinux is enabled here and takes labels of its policy only")
    context = mount.fsopen("tmpfs")
    made = mount.fsmount(context)
    os.close(context)
    mountlabel.apply(made, LABEL)
    top = os.open(".", os.O_RDONLY, dir_fd=made)
    assert os.getxattr(top, "security.selinux") == LABEL.encode()
    os.close(top)
    os.close(made)


@pytest.mark.skipif(not ON, reason="SELinux is not enabled here")
def test_with_selinux_every_new_file_system_has_the_label(bundle, runtime):
    bundle.config["linux"]["mountLabel"] = LABEL
    bundle.config["linux"]["maskedPaths"] = ["/etc"]
    told = said(bundle, runtime, "ls -dZ /dev/mqueue; cat /proc/self/mountinfo").splitlines()
    assert LABEL in told[0]
    shown = {each.point: each.super_text for each in map(Mounted, told[1:])}
    for point in ("/dev", "/dev/pts", "/dev/shm", "/etc"):
        assert LABEL in shown[point], point
    for point in ("/proc", "/sys", "/sys/fs/cgroup"):
        assert LABEL not in shown[point], point
