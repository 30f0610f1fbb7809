"""A resctrl that is a plain directory, for machines without: it does what the kernel does there.

As a program it runs pyruntime's command line on it, since no test can mount a resctrl:

    /usr/bin/python3 -IS tests/functional/resctrl.py TREE ARGUMENTS...

TREE is the directory; where it does not exist, resctrl is not mounted. What the kernel refuses is
written down in TREE's files `refuse-make` and `refuse-write`: an errno, and what it is refused for.
"""

import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMATA = {"L3": {"0": "7ff", "1": "7ff"}, "MB": {"0": "100", "1": "100"}}


def rows(schemata):
    """Write a schemata file as the kernel does: kinds to the right, bits with leading zeros."""
    text = ""
    for kind, values in schemata.items():
        shown = ";".join(f"{domain}={value.rjust(4 if kind == 'MB' else 3, '0 '[kind == 'MB'])}"
                         for domain, value in values.items())  # fmt: skip
        text += f"{kind:>6}:{shown}\n"
    return text


def parsed(text):
    """Read a schemata file."""
    found = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(":")
        pairs = (part.split("=") for part in rest.split(";"))
        found[kind.strip()] = {domain.strip(): value.strip().lower() for domain, value in pairs}
    return found


def mounted(tree, parts=("L3", "MB", "L3_MON")):
    """Make the tree as it is after mount(8)."""
    for part in parts:
        os.makedirs(f"{tree}/info/{part}")
    if "MB" in parts:
        put(f"{tree}/info/MB/bandwidth_gran", "10\n")
    put(f"{tree}/info/last_cmd_status", "ok\n")
    filled(tree)


def filled(group):
    """Give a control group its files."""
    os.mkdir(f"{group}/mon_groups")
    put(f"{group}/schemata", rows(SCHEMATA))
    put(f"{group}/tasks", "")


def put(file, text):
    with open(file, "w") as out:
        out.write(text)


def got(file):
    with open(file) as text:
        return text.read()


class Fake:
    """Stands in for kernel/resctrl.py's system calls."""

    def __init__(self, tree):
        self.tree = tree

    def place(self, _mountinfo):
        return self.tree if os.path.isdir(self.tree) else ""

    def refuse(self, kind, what):
        try:
            number, part = got(f"{self.tree}/refuse-{kind}").split(" ", 1)
        except FileNotFoundError:
            return
        if part.strip() in what:
            put(f"{self.tree}/info/last_cmd_status", f"no {what.strip()} here\n")
            raise OSError(int(number), os.strerror(int(number)))

    def mkdir(self, group, _mode):
        self.refuse("make", os.path.relpath(group, self.tree))
        os.mkdir(group)
        if "/mon_groups/" in group[len(self.tree) :]:
            put(f"{group}/tasks", "")
        else:
            filled(group)

    def rmdir(self, group):
        if not os.path.isdir(group):
            raise FileNotFoundError(2, "none", group)
        shutil.rmtree(group)

    def read(self, file):
        lines = got(file).splitlines(keepends=True)
        if file.endswith("/tasks"):  # those that have ended are in no group
            lines = [line for line in lines if os.path.exists(f"/proc/{line.strip()}")]
        return "".join(lines)

    def write(self, file, line):
        """Do what a write to `file` does; a class has one line for each write here, as a log."""
        assert line.endswith("\n")
        self.refuse("write", line)
        os.stat(file)  # files are the kernel's to make
        if file.endswith("/tasks"):
            put(file, got(file) + line)
            return
        known = parsed(got(file))
        for kind, values in parsed(line).items():
            for domain, value in values.items():
                wide = int(value) if kind == "MB" else int(value, 16)
                known[kind][domain] = str(-(-wide // 10) * 10) if kind == "MB" else f"{wide:x}"
        put(file, rows(known))
        with open(f"{self.tree}/log", "a") as log:
            log.write(line)

    def install(self, resctrl):
        resctrl.place, resctrl.read, resctrl.write = self.place, self.read, self.write
        calls = type("posix", (), {**vars(resctrl.posix), "mkdir": self.mkdir, "rmdir": self.rmdir})
        resctrl.posix = calls


if __name__ == "__main__":
    sys.path.insert(0, f"{HERE}/../..")
    from pyruntime import main
    from pyruntime.kernel import resctrl

    Fake(sys.argv[1]).install(resctrl)
    status = main.main(sys.argv[2:])
    sys.stdout.flush()
    os._exit(status)
