"""Masked and read-only paths, seen from inside."""

import os

import pytest
from functional import inside
from functional.inside import mounts, refused, said

INFO = "cat /proc/self/mountinfo"


@pytest.fixture
def linux(bundle):
    """The config's linux block, without the masks of the sample; the root can be written."""
    inside.writable(bundle)
    (bundle.rootfs / "secret").mkdir()
    (bundle.rootfs / "secret/file").write_text("secret\n")
    bundle.config["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
    return bundle.config["linux"]


# --- masked --------------------------------------------------------------------------------------


def test_a_masked_file_is_empty_and_a_masked_directory_has_nothing_in_it(bundle, runtime, linux):
    (bundle.rootfs / "other").write_text("other\n")
    linux["maskedPaths"] = ["/secret", "/other", "/proc/timer_list", "/proc/fs"]
    script = f"ls -A /secret /proc/fs; cat /other /proc/timer_list | wc -c; {INFO}"
    told = said(bundle, runtime, script).splitlines()
    assert told[:4] == ["/proc/fs:", "", "/secret:", "0"]
    found = mounts("\n".join(told[4:]))
    assert (found["/secret"].kind, found["/secret"].root) == ("tmpfs", "/")
    assert found["/secret"].options >= {"ro"}
    assert (found["/other"].kind, found["/other"].root) == ("tmpfs", "/null")
    assert (bundle.rootfs / "other").read_text() == "other\n"


def test_nothing_can_be_written_to_what_is_masked(bundle, runtime, linux):
    (bundle.rootfs / "other").write_text("other\n")
    linux["maskedPaths"] = ["/secret", "/other"]
    inside.allow(bundle, "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN")
    script = "echo x > /other; touch /secret/x 2>&1; rm /other 2>&1; rmdir /secret 2>&1; true"
    told = said(bundle, runtime, script).splitlines()
    assert told[0] == "touch: /secret/x: Read-only file system"
    assert [line[-4:] for line in told[1:]] == ["busy", "busy"]
    assert (bundle.rootfs / "other").read_text() == "other\n"
    assert os.listdir(bundle.rootfs / "secret") == ["file"]


def test_all_masked_directories_share_one_empty_file_system(bundle, runtime, linux):
    for name in ("a", "b", "c"):
        (bundle.rootfs / name).mkdir()
    linux["maskedPaths"] = ["/a", "/b", "/c"]
    devices = said(bundle, runtime, "stat -c %d /a /b /c").split()
    assert len(set(devices)) == 1


def test_a_path_that_stands_twice_is_masked_once(bundle, runtime, linux):
    linux["maskedPaths"] = ["/secret", "/secret", "/proc/fs", "/proc/fs"]
    told = [inside.Mounted(line).point for line in said(bundle, runtime, INFO).splitlines()]
    assert (told.count("/secret"), told.count("/proc/fs")) == (1, 1)


def test_a_link_is_masked_where_it_leads_inside_the_root(bundle, runtime, linux, tmp_path):
    (tmp_path / "secret").write_text("of the host\n")
    (bundle.rootfs / "inner").symlink_to("/secret/file")
    (bundle.rootfs / "outer").symlink_to(tmp_path / "secret")
    linux["maskedPaths"] = ["/inner", "/outer"]
    assert said(bundle, runtime, "cat /secret/file") == ""
    assert (tmp_path / "secret").read_text() == "of the host\n"


@pytest.mark.parametrize("name", ["maskedPaths", "readonlyPaths"])
def test_what_is_missing_is_left_out(bundle, runtime, linux, name):
    (bundle.rootfs / "dangling").symlink_to("/nowhere")
    linux[name] = ["/missing", "/missing/deep", "/dangling", "/proc/nothing"]
    told = said(bundle, runtime, "ls /")
    assert {"bin", "dangling"} < set(told.split())
    assert "missing" not in told.split()


@pytest.mark.parametrize("name", ["maskedPaths", "readonlyPaths"])
def test_what_would_lie_below_a_file_is_an_error(bundle, runtime, linux, name):
    linux[name] = ["/secret/file/x/y"]
    assert "/secret/file/x/y: not a directory" in refused(bundle, runtime)


@pytest.mark.parametrize("name", ["maskedPaths", "readonlyPaths"])
@pytest.mark.parametrize("path", ["relative", ""])
def test_a_path_must_be_absolute(bundle, runtime, linux, name, path):
    linux[name] = ["/secret", path]
    assert f"/linux/{name}/1" in refused(bundle, runtime)


def test_no_false_null_device_unmasks_a_file(bundle, runtime, linux):
    """CVE-2025-31133."""
    mounts = bundle.config["mounts"]
    (bundle.path / "dev").mkdir()
    (bundle.path / "dev/null").symlink_to("/proc/sysrq-trigger")
    mounts.append({"destination": "/dev", "source": "dev", "options": ["rbind"]})
    linux["maskedPaths"] = ["/secret/file"]
    assert "/dev/null" in refused(bundle, runtime)


# --- read-only -----------------------------------------------------------------------------------


def test_a_readonly_path_can_be_read_and_not_written(bundle, runtime, linux):
    (bundle.rootfs / "lone").write_text("lone\n")
    linux["readonlyPaths"] = ["/secret", "/lone", "/proc/sys"]
    script = f"""
        cat /secret/file /lone
        touch /secret/x 2>&1
        (echo x > /lone) 2>&1
        (echo 1 > /proc/sys/net/ipv4/ip_forward) 2>&1
        touch /writable
        {INFO}"""
    told = said(bundle, runtime, script).splitlines()
    assert told[:5] == [
        "secret", "lone", "touch: /secret/x: Read-only file system",
        "sh: can't create /lone: Read-only file system",
        "sh: can't create /proc/sys/net/ipv4/ip_forward: Read-only file system",
    ]  # fmt: skip
    assert mounts("\n".join(told[5:]))["/secret"].options == {"ro", "relatime"}
    assert (bundle.rootfs / "writable").exists()


def test_a_readonly_path_keeps_the_other_flags_of_its_mount(bundle, runtime, linux):
    bundle.config["mounts"].append(
        {"destination": "/t", "type": "tmpfs", "source": "t", "options": ["nosuid", "nodev", "noexec"]}
    )
    bundle.config["process"]["cwd"] = "/t/below"
    linux["readonlyPaths"] = ["/t/below"]
    found = mounts(said(bundle, runtime, INFO))
    assert found["/t/below"].options == {"ro", "nosuid", "nodev", "noexec", "relatime"}
    assert "rw" in found["/t"].options


def test_a_readonly_path_that_is_masked_too_is_masked(bundle, runtime, linux):
    linux["readonlyPaths"] = ["/secret", "/proc/sys"]
    linux["maskedPaths"] = ["/secret/file", "/proc/sys/net"]
    assert said(bundle, runtime, "cat /secret/file; ls -A /proc/sys/net") == ""


def test_masks_hold_against_a_payload_that_may_mount(bundle, runtime, linux):
    """With CAP_SYS_ADMIN it may take them off; without, it may not."""
    linux["maskedPaths"] = ["/secret"]
    script = "umount /secret 2>&1; mount -o remount,rw,bind /secret 2>&1; ls -A /secret"
    told = said(bundle, runtime, script)
    assert told.count("ermission denied") + told.count("not permitted") == 2


def test_the_masks_of_the_sample_hold(bundle, runtime):
    script = """
        for path in /proc/kcore /proc/keys /proc/timer_list; do head -c 9 $path 2>/dev/null; done
        for path in /sys/firmware /proc/acpi /proc/scsi; do ls -A $path 2>/dev/null; done
        for path in /proc/sys/vm/laptop_mode /proc/irq/default_smp_affinity; do
            (: >> $path) 2>&1
        done; true"""
    told = said(bundle, runtime, script).splitlines()
    assert [line.rpartition(": ")[2] for line in told] == ["Read-only file system"] * 2
