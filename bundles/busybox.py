#!/usr/bin/python3
"""Make a bundle with a root file system of busybox.

    bundles/busybox.py KIND DIR [-- ARGS...]

Without ARGS the bundle `plain` runs a shell at a terminal.

KIND is `plain`, what `pyruntime spec` writes, or `podman-like`: what podman gives a container, with
its seccomp profile of 437 system calls on three architectures, twenty mounts and masked paths, but
no cgroup limits, which not every machine can set. The configurations stand beside this file; the
root file system is made anew from the busybox of this machine (Debian: busybox-static).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("plain", "podman-like")
DIRECTORIES = ("bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr/bin", "var/tmp")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUP = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"


def busybox() -> str:
    """Return the path of this machine's busybox; SystemExit in one line without one."""
    program = shutil.which("busybox", path=f"{os.environ.get('PATH', '')}:/bin:/usr/bin")
    if program is None:
        raise SystemExit("no busybox here: apt-get install busybox-static")
    return program


def applets() -> list[str]:
    """Return the names of all that busybox can be."""
    command = [busybox(), "--list"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def rootfs(directory: str, names: list[str] | None = None) -> None:
    """Make the root file system; `names` are the applets, by default all."""
    for below in DIRECTORIES:
        os.makedirs(f"{directory}/{below}", exist_ok=True)
    for below in ("tmp", "var/tmp"):
        os.chmod(f"{directory}/{below}", 0o1777)
    shutil.copy(busybox(), f"{directory}/bin/busybox")
    for name in applets() if names is None else names:
        if name != "busybox":
            os.symlink("busybox", f"{directory}/bin/{name}")
    for file, text in (("passwd", PASSWD), ("group", GROUP)):
        with open(f"{directory}/etc/{file}", "w", encoding="ascii") as out:
            out.write(text)


def configuration(kind: str) -> dict:
    """Return the parsed config.json of a kind."""
    with open(f"{HERE}/{kind}/config.json", encoding="utf-8") as text:
        return json.load(text)


def bundle(kind: str, directory: str, args: list[str] | None = None) -> None:
    """Make DIR with config.json, running `args` without a terminal, and rootfs."""
    config = configuration(kind)
    if args:  # not the shell for which the terminal is
        config["process"] |= {"args": args, "terminal": False}
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/config.json", "w", encoding="utf-8") as out:
        json.dump(config, out, indent="\t")
        out.write("\n")
    rootfs(f"{directory}/rootfs")


def main(words: list[str]) -> None:
    """Read the command line."""
    if len(words) < 2 or words[0] not in KINDS or words[2:3] not in ([], ["--"]):
        raise SystemExit(f"usage: bundles/busybox.py {'|'.join(KINDS)} DIR [-- ARGS...]")
    bundle(words[0], words[1], words[3:])


if __name__ == "__main__":
    main(sys.argv[1:])
