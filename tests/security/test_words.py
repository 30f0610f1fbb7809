"""Words of config.json: long ones, ones with a NUL, numbers that mean something else to the kernel."""

import pytest
from functional import inside

LONG = 70_000


def config_with_nul(bundle, where):
    config, process = bundle.config, bundle.config["process"]
    text = "a\0b"
    {
        "args": lambda: process.update(args=["echo", text]),
        "program": lambda: process.update(args=[f"/bin/true{text}"]),
        "env": lambda: process["env"].append(f"X={text}"),
        "cwd": lambda: process.update(cwd=f"/tmp{text}"),
        "hostname": lambda: config.update(hostname=text),
        "domainname": lambda: config.update(domainname=text),
        "root": lambda: config["root"].update(path=f"rootfs{text}"),
        "destination": lambda: config["mounts"][2].update(destination=f"/dev/pts{text}"),
        "source": lambda: config["mounts"][2].update(source=text),
        "type": lambda: config["mounts"][2].update(type=f"devpts{text}"),
        "option": lambda: config["mounts"][2]["options"].append(f"mode=0{text}"),
        "bind": lambda: config["mounts"].append(
            {"destination": "/mnt", "type": "bind", "source": f"/tmp{text}", "options": ["bind"]}
        ),
        "masked": lambda: config["linux"].update(maskedPaths=[f"/proc/keys{text}"]),
        "readonly": lambda: config["linux"].update(readonlyPaths=[f"/proc/sys{text}"]),
        "sysctl": lambda: config["linux"].update(sysctl={"net.ipv4.ip_forward": f"1{text}"}),
        "sysctl key": lambda: config["linux"].update(sysctl={f"net.ipv4.ip_forward{text}": "1"}),
        "device": lambda: config["linux"].update(
            devices=[{"path": f"/dev/x{text}", "type": "c", "major": 1, "minor": 3}]
        ),
        "cgroup": lambda: config["linux"].update(cgroupsPath=f"/pyruntime-{text}"),
        "namespace": lambda: inside.at(bundle, "ipc", f"/proc/self/ns/ipc{text}"),
        "hook": lambda: config.update(hooks={"createContainer": [{"path": f"/bin/true{text}"}]}),
        "hook argument": lambda: config.update(
            hooks={"createContainer": [{"path": "/bin/true", "args": ["true", text]}]}
        ),
        "hook environment": lambda: config.update(
            hooks={"startContainer": [{"path": "/bin/true", "env": [f"X={text}"]}]}
        ),
    }[where]()


PLACES = [
    "args", "program", "env", "cwd", "hostname", "domainname", "root", "destination", "source", "type",
    "option", "bind", "masked", "readonly", "sysctl", "sysctl key", "device", "cgroup", "namespace", "hook",
    "hook argument", "hook environment",
]  # fmt: skip


@pytest.mark.parametrize("where", PLACES)
def test_cve_2021_43784_a_nul_is_refused(bundle, runtime, where):
    """CVE-2021-43784: a text is never cut short on its way to the kernel."""
    config_with_nul(bundle, where)
    inside.refused(bundle, runtime)


def test_cve_2021_43784_long_words_change_no_other(bundle, runtime):
    """CVE-2021-43784: arguments, environment, annotations and a mount list of more than 64 KiB."""
    bundle.config["hostname"] = "own-name"
    bundle.config["annotations"] = {"long": "x" * 3 * LONG}
    bundle.config["process"]["env"].append("LONG=" + "y" * LONG)
    bundle.config["linux"]["maskedPaths"] += [f"/nowhere/{'z' * 200}/{number}" for number in range(400)]
    for number in range(400):
        bundle.config["mounts"].append(
            {"destination": f"/tmp/{number}", "type": "bind", "source": "/etc/passwd", "options": ["bind", "ro"]}
        )
    bundle.config["mounts"].insert(7, {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
    script = "hostname; id -u; echo ${#LONG}; ls /tmp | wc -l; grep CapEff /proc/self/status; wc -c < /etc/passwd"
    told = inside.said(bundle, runtime, script).splitlines()
    own = (bundle.rootfs / "etc/passwd").stat().st_size
    assert told == ["own-name", "0", str(LONG), "400", "CapEff:\t0000000020000420", str(own)]


@pytest.mark.parametrize("where", ["destination", "source", "hostname", "cwd", "root"])
def test_cve_2021_43784_a_long_path_is_refused_whole(bundle, runtime, where):
    """CVE-2021-43784: not cut to one that means something."""
    path = "/tmp/" + "d/" * (LONG // 2)
    entry = {"destination": "/mnt", "type": "bind", "source": "/tmp", "options": ["bind"]}
    if where in entry:
        bundle.config["mounts"].append(entry | {where: path})
    elif where == "hostname":
        bundle.config["hostname"] = "h" * LONG
    elif where == "cwd":
        bundle.config["process"]["cwd"] = path
    else:
        bundle.config["root"]["path"] = path
    inside.refused(bundle, runtime)


SETS = {
    "nothing said": ({}, (0, 0)),
    "no inheritable": ({"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}, (0, 0)),
    "inheritable": ({kind: ["CAP_KILL"] for kind in ("bounding", "inheritable", "permitted")}, (32, 0)),
    "ambient": ({kind: ["CAP_KILL"] for kind in inside.CAPABILITIES if kind != "effective"}, (32, 32)),
}


@pytest.mark.parametrize("name", SETS)
def test_cve_2022_29162_the_inheritable_set_is_what_the_config_says(bundle, runtime, name):
    """CVE-2022-29162, CVE-2022-27650, CVE-2025-27612: CapInh and CapAmb, for root and for a user."""
    bundle.config["process"]["capabilities"], wanted = SETS[name]
    for uid in (0, 1000):
        bundle.config["process"]["user"] = {"uid": uid, "gid": uid}
        told = inside.status(inside.said(bundle, runtime, "cat /proc/self/status"))
        assert (int(told["CapInh"], 16), int(told["CapAmb"], 16)) == wanted, uid


@pytest.mark.parametrize("number", [4294967295, 4294967296, 2**64, -1, "root", "0", 1.5, True, None])
@pytest.mark.parametrize("where", ["uid", "gid", "additionalGids"])
def test_cve_2026_46680_user_ids_are_numbers_that_the_kernel_takes_for_ids(bundle, runtime, where, number):
    """CVE-2026-46680: 4294967295 is -1, which would leave the payload the ids of the runtime."""
    user = bundle.config["process"]["user"]
    user |= {"uid": 1000, "gid": 1000}
    user[where] = [number] if where == "additionalGids" else number
    bundle.config["process"]["args"] = ["sh", "-c", "echo ran as $(id -u) $(id -g)"]
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert done.returncode == 1, done.stdout
    assert "ran" not in done.stdout and "internal error" not in done.stderr
