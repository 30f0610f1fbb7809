"""New user namespaces: who root inside is outside, and that all of a container works there.

The directories of pytest are closed to all but root, so nearly every test here also shows that the
rootfs and volumes are fetched for a container's root that may not reach them.
"""

import errno
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from functional import inside
from functional.agent import Agent
from functional.inside import refused, running, said
from functional.mapped import COUNT, FIRST, RANGE, give, map_ids, parent_of, user_namespace
from security import hostile

from pyruntime.kernel import door, process

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "uts")
LOCKED = "ro,nosuid,nodev,noexec"


@pytest.fixture
def user(bundle):
    """A bundle whose container has a user namespace."""
    map_ids(bundle)
    return bundle


@pytest.fixture
def volume(user, tmp_path):
    """A directory that root inside owns, which the container has at /vol."""
    made = tmp_path / "volume"
    made.mkdir()
    os.chown(made, FIRST, FIRST)
    hostile.share(user, made)
    return made


@pytest.fixture
def marked(bundle):
    """Callable: have a hook of some name note what its script prints; returns the file of notes."""

    def mark(name, script, **more):
        directory = Path(tempfile.mkdtemp(prefix="hook-", dir="/tmp"))
        directory.chmod(0o777)
        made.append(directory)
        hook = {"path": "/bin/sh", "args": ["sh", "-c", f"{{ {script}; }} > {directory}/note 2>&1"]}
        bundle.config.setdefault("hooks", {})[name] = [hook | more]
        return directory / "note"

    made = []
    yield mark
    for directory in made:
        shutil.rmtree(directory)


def status(pid):
    """Read /proc/PID/status."""
    return inside.status(Path(f"/proc/{pid}/status").read_text())


def created(bundle, runtime, containers, *args):
    """Create c1; return the pid of what waits."""
    bundle.config["process"]["args"] = list(args) or ["sleep", "60"]
    done = runtime("create", "--bundle", bundle.save(), "c1")
    assert (done.returncode, done.stderr) == (0, "")
    return containers.state("c1")["pid"]


# --- ids -----------------------------------------------------------------------------------------


def test_root_inside_is_the_mapped_user_outside(user, runtime, volume):
    inside.allow(user, "CAP_CHOWN")
    told = said(user, runtime, "id -u; id -g; touch /vol/a /vol/b; chown 5:6 /vol/b; stat -c %u:%g /vol/b")
    assert told.split() == ["0", "0", "5:6"]
    owners = [((volume / name).stat().st_uid, (volume / name).stat().st_gid) for name in "ab"]
    assert owners == [(FIRST, FIRST), (FIRST + 5, FIRST + 6)]


def test_the_maps_are_those_of_the_config(bundle, runtime):
    uids = [(0, FIRST, 1), (1, 300_000, 10), (4_000_000, 5, 1)]
    gids = [(5, 7, 3), (0, FIRST, 2)]
    names = ("containerID", "hostID", "size")
    map_ids(bundle, *([dict(zip(names, each, strict=True)) for each in ranges] for ranges in (uids, gids)))
    told = said(bundle, runtime, "cat /proc/self/uid_map; echo; cat /proc/self/gid_map; cat /proc/self/setgroups")
    first, second = told.split("\n\n")
    assert [tuple(map(int, line.split())) for line in first.splitlines()] == uids
    *lines, groups = second.splitlines()
    assert sorted(tuple(map(int, line.split())) for line in lines) == sorted(gids)
    assert groups == "allow"


def test_the_greatest_map_that_the_kernel_takes_is_written_and_a_longer_text_is_refused(bundle, runtime):
    """340 ranges, but also one write of less than a page: longer numbers make fewer ranges."""
    short = [{"containerID": 2 * n, "hostID": 2 * n, "size": 1} for n in range(340)]
    long = [
        {"containerID": 2 * n and 3_000_000_000 + 2 * n, "hostID": 3_000_000_000 + 2 * n, "size": 1}
        for n in range(200)
    ]
    map_ids(bundle, short, RANGE)
    os.lchown(bundle.rootfs, 0, FIRST)
    assert len(said(bundle, runtime, "cat /proc/self/uid_map").splitlines()) == 340
    bundle.config["linux"]["uidMappings"] = long
    told = refused(bundle, runtime)
    assert "write linux.uidMappings to /proc/" in told
    assert "no more text at once than fits into a page" in told


@pytest.mark.parametrize("no_new_privs", [True, False])
@pytest.mark.parametrize("filtered", [True, False])
def test_the_payload_runs_as_a_mapped_user_with_its_groups(
    user, runtime, containers, no_new_privs, filtered
):
    wish = user.config["process"]
    wish["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [7, 5], "umask": 0o027}
    wish["noNewPrivileges"] = no_new_privs
    wish["capabilities"] = {name: ["CAP_KILL"] for name in inside.CAPABILITIES}
    if filtered:
        refuse = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
        user.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refuse]}
    script = "{ id -u; id -g; mkdir /dev/shm/d; echo $?; } > /dev/shm/told; touch /dev/shm/done; sleep 60"
    pid = running(user, runtime, containers, script)
    place = Path(f"/proc/{pid}/root/dev/shm")
    inside.eventually((place / "done").exists)
    assert (place / "told").read_text().split() == ["1000", "1001", "1" if filtered else "0"]
    found = status(pid)
    assert found["Uid"].split() == [str(FIRST + 1000)] * 4
    assert found["Gid"].split() == [str(FIRST + 1001)] * 4
    assert found["Groups"].split() == [str(FIRST + 5), str(FIRST + 7)]
    assert found["NoNewPrivs"] == str(int(no_new_privs))
    assert found["Seccomp"] == ("2" if filtered else "0")
    assert {int(found[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {1 << 5}
    assert (place / "told").stat().st_uid == FIRST + 1000
    assert (place / "told").stat().st_mode & 0o777 == 0o640


def test_no_group_of_the_caller_is_left(user, runtime, containers, marked):
    """Neither in the payload nor in a hook that runs inside."""
    note = marked("createContainer", "id -G")
    user.config["process"]["args"] = ["id", "-G"]
    done = runtime(
        "run", "--bundle", user.save(), "c1", preexec_fn=lambda: os.setgroups([FIRST + 9, 4242])
    )
    assert (done.returncode, done.stdout, note.read_text()) == (0, "0\n", "0\n")


def test_owners_in_proc_are_those_inside(user, runtime, containers):
    told = said(user, runtime, "stat -c %u:%g /proc/1 /proc/self/environ /proc/1/ns /proc/self/fd /proc/sys/net/ipv4/ip_forward")
    assert told.split() == ["0:0"] * 5


# --- namespaces ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["create", "run"])
def test_every_namespace_belongs_to_the_new_one(user, runtime, containers, command):
    user.config["linux"]["namespaces"].append({"type": "time"})
    if command == "create":
        pid = created(user, runtime, containers)
    else:
        pid = running(user, runtime, containers)
    own = os.stat(f"/proc/{pid}/ns/user").st_ino
    assert own != os.stat("/proc/self/ns/user").st_ino == parent_of(f"/proc/{pid}/ns/user")
    assert {kind: user_namespace(f"/proc/{pid}/ns/{kind}") for kind in KINDS} == dict.fromkeys(KINDS, own)
    assert not [kind for kind in KINDS if os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")]


def test_files_of_the_new_namespaces_have_an_owner(user, runtime):
    """Those that are made together with the user namespace would belong to nobody."""
    user.config["hostname"], user.config["domainname"] = "lion", "zoo.example"
    inside.allow(user, "CAP_NET_ADMIN")
    told = said(
        user, runtime, "stat -c %u:%g /sys/class/net/lo/mtu /dev/mqueue /dev/pts /dev/shm; hostname; cat "
        "/proc/sys/kernel/domainname; ip link set lo mtu 1400; cat /sys/class/net/lo/mtu",
    )  # fmt: skip
    assert told.split() == [*["0:0"] * 4, "lion", "zoo.example", "1400"]


def test_the_loopback_interface_answers(user, runtime):
    inside.allow(user, "CAP_NET_RAW")
    assert "1 packets received" in said(user, runtime, "ping -c 1 -W 2 127.0.0.1")


def test_clocks_are_set_in_a_time_namespace_of_its_own(user, runtime):
    user.config["linux"]["namespaces"].append({"type": "time"})
    user.config["linux"]["timeOffsets"] = {"boottime": {"secs": 86400 * 400}}
    assert float(said(user, runtime, "cut -d. -f1 /proc/uptime")) > 86400 * 400


@pytest.mark.parametrize("kind", ["net", "ipc", "uts", "time"])
def test_a_namespace_of_the_host_can_be_joined(user, runtime, kind):
    """By the runtime, before the container's init is born: that has no right to."""
    names = {"net": "network"}
    held = subprocess.Popen(["unshare", f"--{kind}", "--fork", "--kill-child", "sleep", "600"])
    try:
        children = Path(f"/proc/{held.pid}/task/{held.pid}/children")
        pid = inside.eventually(lambda: children.read_text().split())[0]
        inside.eventually(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
        before = {each: os.readlink(f"/proc/self/ns/{each}") for each in KINDS}
        inside.at(user, names.get(kind, kind), f"/proc/{pid}/ns/{kind}")
        if kind == "uts":
            del user.config["hostname"]
        if kind == "ipc":
            user.config["mounts"] = [each for each in user.config["mounts"] if each["type"] != "mqueue"]
        told = said(user, runtime, f"readlink /proc/self/ns/{kind}")
        assert told.strip() == os.readlink(f"/proc/{pid}/ns/{kind}") != before[kind]
        assert {each: os.readlink(f"/proc/self/ns/{each}") for each in KINDS} == before
    finally:
        held.kill()
        held.wait()


def test_hooks_of_the_runtime_run_in_its_own_namespaces_after_a_join(user, runtime, marked):
    held = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    try:
        inside.eventually(lambda: Path(f"/proc/{held.pid}/comm").read_text() == "sleep\n")
        inside.at(user, "network", f"/proc/{held.pid}/ns/net")
        note = marked("createRuntime", "readlink /proc/self/ns/net")
        said(user, runtime, "true")
        assert note.read_text().strip() == os.readlink("/proc/self/ns/net")
    finally:
        held.kill()
        held.wait()


def test_without_a_network_namespace_the_hosts_sysfs_is_bound_read_only(user, runtime):
    inside.without(user, "network")
    found = inside.mounts(said(user, runtime, "cat /proc/self/mountinfo"))
    assert found["/sys"].kind == "sysfs"
    assert "ro" in found["/sys"].options
    assert "/sys/fs/cgroup" in found


# --- devices, mounts, masks ----------------------------------------------------------------------


def test_the_nodes_of_dev_are_the_hosts_and_work(user, runtime):
    told = said(
        user, runtime,
        "echo away > /dev/null && head -c 3 /dev/zero | od -An -c; head -c 8 /dev/urandom | wc -c; head -c 8"
        " /dev/random | wc -c; echo x 2>&1 > /dev/full || echo full; stat -c %t:%T /dev/null /dev/tty;"
        " grep -c ' /dev/null .*nosuid,noexec' /proc/self/mountinfo; readlink /dev/ptmx; readlink /dev/fd",
    )  # fmt: skip
    words = told.split()
    assert words[:3] == ["\\0", "\\0", "\\0"]
    assert words[3:5] == ["8", "8"]
    assert words[-6:] == ["full", "1:3", "5:0", "1", "pts/ptmx", "/proc/self/fd"]


def test_a_device_of_the_config_is_the_hosts_node_and_a_fifo_is_made(user, runtime):
    user.config["linux"]["devices"] = [
        {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11},
        {"path": "/dev/queue", "type": "p", "fileMode": 0o640, "uid": 3, "gid": 4},
    ]
    told = said(user, runtime, "stat -c %t:%T /dev/kmsg; stat -c '%F %a %u:%g' /dev/queue")
    assert told.splitlines() == ["1:b", "fifo 640 3:4"]


def test_a_device_that_the_host_has_not_or_has_as_another_is_explained(user, runtime):
    wish = {"path": "/dev/nosuch", "type": "c", "major": 1, "minor": 11}
    user.config["linux"]["devices"] = [wish]
    told = refused(user, runtime)
    assert "make the device /dev/nosuch: no such file or directory" in told
    assert "the host's node is bound, and the host has none" in told
    user.config["linux"]["devices"] = [wish | {"path": "/dev/kmsg", "minor": 12}]
    assert "make the device /dev/kmsg: the host has something else of that name" in refused(user, runtime)


def test_the_file_systems_are_mounted_not_bound(user, runtime):
    found = inside.mounts(said(user, runtime, "cat /proc/self/mountinfo"))
    kinds = {point: found[point].kind for point in ("/proc", "/dev", "/dev/pts", "/dev/mqueue", "/sys", "/sys/fs/cgroup")}
    assert kinds == {
        "/proc": "proc", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/mqueue": "mqueue",
        "/sys": "sysfs", "/sys/fs/cgroup": "cgroup2",
    }  # fmt: skip
    assert found["/sys/fs/cgroup"].root == found["/sys"].root == found["/proc"].root == "/"
    assert f"gid={FIRST + 5}" in found["/dev/pts"].of_super


def test_a_terminal_can_be_opened_inside(user, runtime):
    hostile.lend_python(user)
    user.config["process"]["args"] = hostile.python(
        "import os; master, slave = os.openpty(); os.write(slave, b'hi'); print(os.read(master, 9), os.fstat(slave).st_uid)"
    )
    done = runtime("run", "--bundle", user.save(), "c1")
    assert (done.returncode, done.stdout) == (0, "b'hi' 0\n"), done.stderr


def test_the_cgroup_is_the_containers_own(user, runtime, containers):
    pid = running(user, runtime, containers, "cat /proc/self/cgroup > /dev/shm/told; ls /sys/fs/cgroup >> /dev/shm/told; sleep 60")
    told = Path(f"/proc/{pid}/root/dev/shm/told")
    inside.eventually(lambda: told.exists() and "cgroup.procs" in told.read_text())
    assert "0::/\n" in told.read_text()
    assert str(pid) in Path(containers.state("c1")["cgroup"], "cgroup.procs").read_text().split()


def _cgroup_mount(user, *options):
    (entry,) = [each for each in user.config["mounts"] if each["type"] == "cgroup"]
    entry["options"] = list(options)


def test_a_cgroup_that_can_be_written_is_given_to_the_payloads_user(user, runtime, containers):
    """config-linux.md, "Cgroup ownership": the directory and what the kernel lists, no limit."""
    _cgroup_mount(user, "nosuid", "noexec", "nodev")
    user.config["process"]["user"] = {"uid": 33, "gid": 33}
    script = (
        "cd /sys/fs/cgroup; mkdir sub && echo $$ > sub/cgroup.procs && cat /proc/self/cgroup > /dev/shm/told;"
        " echo 1 > cgroup.max.depth; echo 1 > pids.max; echo 1 > memory.max; echo end >> /dev/shm/told; sleep 60"
    )
    pid = running(user, runtime, containers, script)
    told = Path(f"/proc/{pid}/root/dev/shm/told")
    inside.eventually(lambda: told.exists() and "end" in told.read_text())
    assert "0::/sub\n" in told.read_text()
    place = Path(containers.state("c1")["cgroup"])
    owned = {each.name for each in place.iterdir() if each.is_file() and each.stat().st_uid == FIRST + 33}
    assert place.stat().st_uid == FIRST + 33
    assert {"cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} <= owned
    assert owned <= set(Path("/sys/kernel/cgroup/delegate").read_text().split())
    assert (place / "cgroup.max.depth").read_text() == "max\n"
    assert runtime("delete", "--force", "c1").returncode == 0
    assert not place.exists()


@pytest.mark.parametrize("alone", [True, False])
def test_a_cgroup_that_is_only_shown_stays_the_hosts(user, runtime, containers, alone):
    if alone:
        inside.without(user, "cgroup")
        _cgroup_mount(user)
    pid = running(user, runtime, containers)
    place = Path(containers.state("c1")["cgroup"])
    assert str(pid) in (place / "cgroup.procs").read_text().split()
    assert {each.stat().st_uid for each in (place, *place.iterdir())} == {0}


def test_masks_and_readonly_paths_hold(user, runtime):
    hidden = {"keys", "timer_list"} & set(os.listdir("/proc"))
    files = " ".join(f"/proc/{name}" for name in sorted(hidden))
    told = said(
        user, runtime, f"cat {files} | wc -c; ls /sys/firmware | wc -l; echo 1 > /proc/sys/net/ipv4/ip_forward;"
        " cat /proc/sys/net/ipv4/ip_forward; umount /proc/sys; umount /proc/keys; echo end",
    )  # fmt: skip
    assert told.split() == ["0", "0", "0", "end"]


def test_the_root_is_read_only_and_a_late_tmpfs(user, runtime):
    user.config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "options": ["ro", "uid=3"]})
    told = said(user, runtime, "touch /x; touch /tmp/x; stat -c %u /tmp; ls / /tmp | grep -c '^x$'; true")
    assert told.split() == ["3", "0"]


@pytest.mark.parametrize("flags", [[], ["--no-pivot"]])
def test_the_host_is_not_to_be_seen_however_the_root_changes(user, runtime, flags, tmp_path):
    (tmp_path / "marker").write_text("host")
    told = said(user, runtime, f"ls {tmp_path} 2>&1; ls /; id -u; echo end", *flags).split()
    assert "marker" not in told
    assert told[-2:] == ["0", "end"]


@pytest.mark.parametrize("propagation", ["rslave", "rprivate", "rshared", "unbindable"])
def test_the_root_propagates_as_wished(user, runtime, propagation):
    user.config["linux"]["rootfsPropagation"] = propagation
    found = inside.mounts(said(user, runtime, "cat /proc/self/mountinfo"))["/"]
    assert found.peers == {"rshared": {"shared"}, "unbindable": {"unbindable"}}.get(propagation, set())


# --- what root inside may not reach --------------------------------------------------------------


@pytest.fixture
def closed(tmp_path):
    """A directory that only the host's root may enter, with things to bind in it."""
    top = tmp_path / "closed"
    (top / "inner/deep").mkdir(parents=True)
    (top / "inner/file").write_text("file\n")
    (top / "inner/deep/file").write_text("deep\n")
    (top / "link").symlink_to("inner/file")
    top.chmod(0o700)
    return top


def bind(user, source, destination="/vol", *options):
    entry = {"destination": destination, "source": str(source), "options": ["rbind", *options]}
    user.config["mounts"].append(entry)


def test_volumes_below_a_closed_directory_are_there(user, runtime, closed):
    inside.mount("-t", "tmpfs", "tmpfs", closed / "inner/deep")
    try:
        (closed / "inner/deep/new").write_text("mounted\n")
        bind(user, closed / "inner")
        bind(user, closed / "link", "/etc/one")
        bind(user, closed / "link", "/etc/two", "src-nofollow")
        bind(user, closed / "link", "/etc/three", "copy-symlink")
        bind(user, closed / "inner/file", "/etc/four", "copy-symlink", "ro")
        told = said(user, runtime, "cat /vol/file /vol/deep/new /etc/one; readlink /etc/two; readlink /etc/three; cat /etc/four")
        assert told.splitlines() == ["file", "mounted", "file", "inner/file", "inner/file", "file"]
    finally:
        inside.unmount(closed / "inner/deep")


def test_a_missing_source_below_a_closed_directory_is_told_as_missing(user, runtime, closed):
    bind(user, closed / "nosuch")
    assert f"mount {closed}/nosuch on /vol: no such file or directory" in refused(user, runtime)


def test_a_reachable_bundle_needs_no_help(user, runtime, tmp_path):
    """The other way through the code: nothing is closed to root inside."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o755)
        shutil.copytree(user.path, f"{place}/b", symlinks=True)
        give(f"{place}/b/rootfs")
        Path(place, "file").write_text("open\n")
        bind(user, f"{place}/file", "/etc/file")
        user.config["process"]["args"] = ["sh", "-c", "id -u; cat /etc/file"]
        user.save()
        shutil.copy(user.path / "config.json", f"{place}/b/config.json")
        done = runtime("run", "--bundle", f"{place}/b", "c1")
        assert (done.returncode, done.stdout) == (0, "0\nopen\n"), done.stderr


def test_a_rootfs_that_is_closed_to_root_inside_is_explained(user, runtime):
    os.chown(user.rootfs, 0, 0)
    user.rootfs.chmod(0o700)
    told = refused(user, runtime)
    assert f"the rootfs {user.rootfs} is closed to the container's root, which is uid {FIRST} of the host" in told


def test_a_rootfs_of_the_hosts_root_stays_as_it_is(bundle, runtime):
    """Root inside may read what everybody may, and owns nothing of it."""
    map_ids(bundle)
    inside.writable(bundle)
    for directory, names, files in os.walk(bundle.rootfs):
        for name in (".", *names, *files):
            os.lchown(Path(directory, name), 0, 0)
    told = said(bundle, runtime, "stat -c %u /bin/busybox /; touch /x || echo refused")
    assert told.split() == ["65534", "65534", "refused"]


@pytest.mark.parametrize("reachable", [True, False])
def test_flags_of_a_host_mount_stay_locked(user, runtime, reachable, tmp_path):
    """Root inside, with every capability, takes none of them off; a tree that P cloned lets it."""
    top = Path(tempfile.mkdtemp(dir="/tmp" if reachable else tmp_path))
    top.chmod(0o755)
    inside.mount("-t", "tmpfs", "tmpfs", top)
    try:
        os.mknod(top / "null", 0o020666, os.makedev(1, 3))
        inside.mount("-o", f"remount,{LOCKED}", top)
        bind(user, top)
        hostile.strengthen(user)
        told = said(
            user, runtime,
            "for o in rw suid dev exec rw,nosuid,nodev,noexec; do mount -o remount,bind,$o /vol && echo GOT $o; done;"
            " touch /vol/x && echo WROTE; echo y > /vol/null && echo DEVICE;"
            " grep ' /vol ' /proc/self/mountinfo | cut -d' ' -f6",
        )  # fmt: skip
        (options,) = told.split()
        assert set(LOCKED.split(",")) <= set(options.split(","))
        user.config["mounts"][-1]["options"].append("rw")
        assert "ro came from another user namespace" in refused(user, runtime)
    finally:
        inside.unmount(top)


# --- keys, kernel parameters, limits -------------------------------------------------------------


def test_kernel_parameters_of_its_namespaces_are_set(user, runtime):
    user.config["linux"]["sysctl"] = {
        "user.max_user_namespaces": "7", "net.ipv4.ip_forward": "1", "kernel.shmmni": "100",
    }  # fmt: skip
    before = Path("/proc/sys/user/max_user_namespaces").read_text()
    told = said(user, runtime, "cd /proc/sys; cat user/max_user_namespaces net/ipv4/ip_forward kernel/shmmni")
    assert told.split() == ["7", "1", "100"]
    assert Path("/proc/sys/user/max_user_namespaces").read_text() == before


def test_limits_and_scores_are_set_by_the_hosts_rights(user, runtime, containers):
    user.config["process"]["oomScoreAdj"] = 100
    user.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}]
    pid = running(user, runtime, containers)
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "100\n"
    (line,) = [row for row in Path(f"/proc/{pid}/limits").read_text().splitlines() if row.startswith("Max open files")]
    assert line.split()[3:5] == ["77", "99"]


def test_the_session_keyring_can_be_found_by_name_by_root_inside_only(user, runtime, containers):
    """By whoever enters the user namespace and becomes its root, as `exec` will; not by others."""
    if not Path("/proc/keys").exists():
        pytest.skip("this kernel shows no keys")
    pid = running(user, runtime, containers, "cat /proc/keys > /dev/shm/keys; sleep 60")
    join = (
        "import ctypes, os, sys; libc = ctypes.CDLL(None, use_errno=True); pid, uid, name = sys.argv[1:]\n"
        "fd = os.pidfd_open(int(pid))\n"
        "assert libc.setns(fd, 0x10000000) == 0\n"
        "os.setgroups([]); os.setresgid(0, 0, 0); os.setresuid(*[int(uid)] * 3)\n"
        "serial = libc.syscall(250, 1, name.encode())\n"
        "told = ctypes.create_string_buffer(256)\n"
        "size = libc.syscall(250, 6, serial, told, 256)\n"
        "print(serial, told.value.decode())\n"
    )

    def joined(uid, name="_ses.c1"):
        words = ["/usr/bin/python3", "-c", join, str(pid), str(uid), name]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()

    first, told = joined(0)
    assert told.startswith("keyring;0;0;") and told.endswith(";_ses.c1")
    permission = int(told.split(";")[3], 16)
    assert permission & 0x00080000, "root inside may search it"
    assert not permission & 0x0808, "others and the group may not"
    assert joined(0)[0] == first
    assert joined(1000)[0] != first


@pytest.mark.parametrize("no_new_privs", [True, False])
def test_a_seccomp_agent_of_the_host_is_served(user, runtime, tmp_path, no_new_privs):
    numbers = {"mkdir": 83, "mkdirat": 258} if door.MACHINE == "x86_64" else {"mkdirat": 34}
    agent = Agent(str(tmp_path / "agent"), dict.fromkeys(numbers.values(), errno.ENOMEDIUM))
    try:
        user.config["process"]["noNewPrivileges"] = no_new_privs
        user.config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(tmp_path / "agent"),
            "syscalls": [{"names": list(numbers), "action": "SCMP_ACT_NOTIFY"}],
        }  # fmt: skip
        assert os.strerror(errno.ENOMEDIUM) in said(user, runtime, "mkdir /dev/shm/x 2>&1; true")
        assert len(agent.rights) == 1
    finally:
        agent.close()


# --- hooks and network devices -------------------------------------------------------------------


def test_hooks_run_at_their_places(user, runtime, containers, marked):
    ask = "cat; echo; readlink /proc/self/ns/user /proc/self/ns/mnt; id -u; pwd"
    notes = {name: marked(name, ask) for name in ("prestart", "createRuntime", "createContainer", "poststart", "poststop")}
    user.config["hooks"]["startContainer"] = [
        {"path": "/bin/sh", "args": ["sh", "-c", "{ cat; id -u; } > /dev/shm/start"]}
    ]
    pid = created(user, runtime, containers)
    own, mine = (os.readlink(f"/proc/{each}/ns/user") for each in (pid, "self"))
    for name in ("prestart", "createRuntime"):
        document, space, mounts, uid, _ = notes[name].read_text().splitlines()
        assert json.loads(document)["pid"] == pid
        assert (space, mounts, uid) == (mine, os.readlink("/proc/self/ns/mnt"), "0")
    document, space, mounts, uid, place = notes["createContainer"].read_text().splitlines()
    assert json.loads(document)["pid"] == 1
    assert (space, mounts, uid, place) == (own, os.readlink(f"/proc/{pid}/ns/mnt"), "0", str(user.rootfs))
    assert notes["createContainer"].stat().st_uid == FIRST
    assert not notes["poststart"].exists()
    assert runtime("start", "c1").returncode == 0
    document, uid = Path(f"/proc/{pid}/root/dev/shm/start").read_text().rsplit("}", 1)
    assert (json.loads(document + "}")["pid"], uid.strip()) == (1, "0")
    assert json.loads(notes["poststart"].read_text().splitlines()[0])["pid"] == pid
    assert runtime("delete", "--force", "c1").returncode == 0
    assert json.loads(notes["poststop"].read_text().splitlines()[0])["status"] == "stopped"


@pytest.mark.parametrize("mapped", [True, False])
def test_network_devices_are_there_before_anything_that_may_want_them(bundle, runtime, marked, mapped):
    """In a user namespace the container's network comes late; elsewhere the move itself is slow."""
    if mapped:
        map_ids(bundle)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    process.unshare(process.CLONE_NEWNET)
    try:
        for name in ("v", "w"):
            words = f"link add {name}0 type veth peer name {name}1".split()
            subprocess.run(["ip", *words], check=True)
            subprocess.run(["ip", "addr", "add", "10.1.2.3/24", "dev", f"{name}0"], check=True)
        bundle.config["linux"]["netDevices"] = {"v0": {"name": "inner"}}
        bundle.config["linux"]["sysctl"] = {"net.ipv4.conf.inner.forwarding": "1"}
        note = marked("createContainer", "ip -o addr show inner")
        told = said(bundle, runtime, "ip -o addr show inner; cat /proc/sys/net/ipv4/conf/inner/forwarding")
        assert "10.1.2.3/24" in told.splitlines()[0]
        assert told.splitlines()[-1] == "1"
        assert "10.1.2.3/24" in note.read_text()
        bundle.config["linux"]["netDevices"] = {"w0": {"name": "inner"}}  # v0 went with its namespace
        bundle.config["process"]["args"] = ["nosuch"]
        assert "executable file not found" in refused(bundle, runtime)
        assert "10.1.2.3/24" in subprocess.check_output(["ip", "-o", "addr", "show", "w0"], text=True)
    finally:
        process.setns(own, process.CLONE_NEWNET)
        os.close(own)


# --- life and undoing ----------------------------------------------------------------------------


def test_it_lives_through_all_commands(user, runtime, containers):
    pid = created(user, runtime, containers, "sleep", "60")
    assert '"created"' in runtime("state", "c1").stdout
    assert runtime("start", "c1").returncode == 0
    assert json.loads(runtime("state", "c1").stdout)["pid"] == pid
    assert runtime("delete", "c1").returncode == 1
    assert runtime("kill", "c1", "KILL").returncode == 0
    inside.eventually(lambda: '"stopped"' in runtime("state", "c1").stdout)
    done = runtime("delete", "c1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("true", 0)])
def test_run_gives_the_status_of_the_payload(user, runtime, script, code):
    user.config["process"]["args"] = ["sh", "-c", script]
    assert runtime("run", "--bundle", user.save(), "c1").returncode == code


def _failing_hook(name):
    def change(config):
        config["hooks"] = {name: [{"path": "/bin/false"}]}

    return change


def _with(pointer, value):
    def change(config):
        *way, last = pointer
        for part in way:
            config = config[part]
        config[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_failing_hook("createRuntime"), "error running createRuntime hook #0"),
        (_failing_hook("createContainer"), "error running createContainer hook #0"),
        (_with(("process", "args"), ["nosuch"]), "executable file not found in $PATH"),
        (_with(("linux", "sysctl"), {"user.nosuch": "1"}), "set sysctl user.nosuch=1"),
        (_with(("mounts", 1, "options"), ["nosuch=1"]), "mount tmpfs on /dev"),
    ],
)  # fmt: skip
def test_a_failed_birth_leaves_nothing(user, runtime, containers, change, words):
    """`containers` looks for what is left: mounts, cgroups, processes, state."""
    change(user.config)
    user.config["process"].setdefault("args", ["true"])
    assert words in refused(user, runtime)
    done = runtime("create", "--bundle", user.save(), "c1")
    assert done.returncode == 1
    assert containers.ids() == []


# --- what is refused -----------------------------------------------------------------------------


def _space(kind, **more):
    def change(config):
        spaces = config["linux"]["namespaces"]
        spaces[:] = [each for each in spaces if each["type"] != kind]
        spaces += [{"type": kind, **more}] if more else []

    return change


BIG = [{"containerID": 0, "hostID": 7, "size": 10}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_with(("linux", "uidMappings"), []), "/linux/uidMappings: user namespaces enabled, but no uid mappings found"),
        (_with(("linux", "gidMappings"), []), "/linux/gidMappings: user namespaces enabled, but no gid mappings found"),
        (_space("user"), "/linux/uidMappings: uid mappings found, but no user namespace"),
        (_with(("linux", "uidMappings"), RANGE * 2), "/linux/uidMappings/1/containerID: overlaps"),
        (_with(("linux", "gidMappings"), [{"containerID": 1, "hostID": 1, "size": 9}]),
         "/linux/gidMappings: maps no container gid 0, by which the container is made"),
        (_with(("process", "user"), {"uid": COUNT, "gid": 5}),
         f"/process/user/uid: uid {COUNT} is not mapped: no range of linux.uidMappings holds it"),
        (_with(("process", "user"), {"uid": 1, "gid": COUNT}), "/process/user/gid: gid"),
        (_with(("process", "user"), {"uid": 1, "gid": 1, "additionalGids": [1, COUNT]}),
         "/process/user/additionalGids/1: gid"),
        (_with(("linux", "gidMappings"), [{"containerID": 0, "hostID": 7, "size": 5}]),
         "/mounts/2/options/5: gid 5 is not mapped"),
        (_space("user", path="/proc/self/ns/user"), "linux.namespaces type user with a path is not supported yet"),
        (_space("mount"), "/linux/namespaces: a new user namespace needs a new mount namespace"),
        (_space("mount", path="/proc/self/ns/mnt"), "a new user namespace needs a new mount namespace"),
        (_space("pid", path="/proc/self/ns/pid"),
         "linux.namespaces type pid with a path beside a new user namespace is not supported yet"),
        (_space("cgroup", path="/proc/self/ns/cgroup"), "linux.namespaces type cgroup with a path beside"),
        (_space("pid"), "a user namespace needs a pid namespace of its own"),
        (_space("ipc"), "a user namespace needs an ipc namespace of its own"),
        (lambda config: config["mounts"].append({
            "destination": "/x", "source": "/etc", "options": ["bind"], "uidMappings": BIG, "gidMappings": BIG}),
         "mounts[].uidMappings is not supported yet"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(user, runtime, change, words):
    user.config["linux"].pop("maskedPaths")
    user.config["linux"].pop("readonlyPaths")
    change(user.config)
    assert words in refused(user, runtime)
