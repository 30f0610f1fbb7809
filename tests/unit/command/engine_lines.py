"""Command lines that engines send, by engine: the forms that must never be slow or misread.

Sources: conmon ctr_exec, go-runc, podman's oci_conmon, CRI-O's runtime_oci, BuildKit, conmon-rs,
and lines captured from podman 4.3.1 with conmon 2.1.6.
"""

_SHIM = "--root /run/containerd/runc/k8s.io --log /b/log.json --log-format json "
_CRIO = "--root /run/runc "
_CONMON_RS = "--root=/run/crio --systemd-cgroup --root=/run/crio --systemd-cgroup "

LINES = [
    # conmon for podman
    "create --bundle /b --pid-file /b/pidfile ID",
    "--log-format=json --log /b/oci-log create --bundle /b --pid-file /b/pidfile ID",
    "--cgroup-manager disabled create --bundle /b --pid-file /b/pidfile ID",
    "--systemd-cgroup create --bundle /b --pid-file /p --no-pivot --no-new-keyring ID",
    "create --bundle /b --pid-file /p --preserve-fds 2 ID",
    "create --bundle /b --pid-file /p --console-socket /tmp/conmon-term.XXXXXX ID",
    # podman itself
    "start ID",
    "kill ID 15",
    "kill --all ID 9",
    "delete --force ID",
    "pause ID",
    "resume ID",
    "state ID",
    "update --resources=/tmp/podman123 ID",
    # containerd's shim and BuildKit, by go-runc
    _SHIM + "create --bundle /b --pid-file /b/init.pid ID",
    _SHIM + "--systemd-cgroup create --bundle /b --pid-file /b/init.pid --console-socket /s ID",
    _SHIM + "create --bundle /b --pid-file /p --pidfd-socket /s --no-pivot --no-new-keyring ID",
    _SHIM + "--debug --rootless=true start ID",
    _SHIM + "kill --all ID 9",
    _SHIM + "kill ID 15",
    _SHIM + "delete ID",
    _SHIM + "delete --force ID",
    _SHIM + "state ID",
    _SHIM + "ps --format json ID",
    _SHIM + "ps --format table ID -o pid,cmd",
    _SHIM + "events --stats ID",
    _SHIM + "events --interval=5s ID",
    _SHIM + "pause ID",
    _SHIM + "resume ID",
    _SHIM + "update --resources=- ID",
    _SHIM + "list --format=json",
    _SHIM + "run --bundle /b --pid-file /p --detach --preserve-fds 1 ID",
    _SHIM + "run --bundle /b --no-subreaper --keep ID",
    "features",
    # CRI-O and conmon-rs
    "--root=/run/runc --systemd-cgroup create --bundle /b --pid-file /p ID",
    _CRIO + "start ID",
    _CRIO + "update --resources - ID",
    _CRIO + "--systemd-cgroup state ID",
    _CRIO + "kill ID KILL",
    _CRIO + "kill -a ID 9",
    _CRIO + "delete --force ID",
    _CONMON_RS + "create --bundle /b --pid-file /p --console-socket=/s ID",
    # people
    "run -d -b /b ID",
    "run ID --detach",
    "list -q",
    "list -f json",
    "spec --rootless --bundle /b",
    "spec -b /b -f other.json",
]
