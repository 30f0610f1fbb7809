"""One command a module: what it asks of the floor below and what it prints."""

import signal
from importlib import import_module

import pytest

from pyruntime import errors
from pyruntime.command.grammar import COMMANDS, Line

CALLER = object()
STATE = {"ociVersion": "1.3.0", "id": "c", "pid": 7, "status": "running", "owner": ""}


def perform(command, options=(), words=(), settings=(), **more):
    module = import_module(f"pyruntime.command.{command}")
    return module.perform(Line(dict(settings), command, dict(options), tuple(words)), "/r", **more)


def test_there_is_a_module_for_every_command(planted):
    names = ("state", "start", "kill", "delete", "create", "run", "listing", "features", "pause", "wait",
             "events", "usage")
    for name in names:
        planted(f"pyruntime.container.{name}")
    planted("pyruntime.spec.sample")
    for command in COMMANDS:
        assert callable(import_module(f"pyruntime.command.{command}").perform)


def test_state_is_printed_with_two_spaces_and_no_newline_at_the_end(planted):
    planted("pyruntime.container.state", state=planted.recorder({"id": "c", "pid": 0}))
    assert perform("state", words=["c"]) == '{\n  "id": "c",\n  "pid": 0\n}'
    assert planted.calls == [(("/r", "c"), {})]


def test_start_starts(planted):
    planted("pyruntime.container.start", start=planted.recorder())
    assert perform("start", words=["c"]) == 0
    assert planted.calls == [(("/r", "c"), {})]


@pytest.mark.parametrize(("options", "force"), [({}, False), ({"force": True}, True)])
def test_delete_passes_force_on(planted, options, force):
    planted("pyruntime.container.delete", delete=planted.recorder())
    assert perform("delete", options, ["c"]) == 0
    assert planted.calls == [(("/r", "c", force), {})]


@pytest.mark.parametrize("status", [0, 3, 255])
def test_wait_prints_the_status_and_ends_with_it(planted, status):
    planted("pyruntime.container.wait", wait=planted.recorder(status))
    assert perform("wait", words=["c"]) == (f"{status}\n", status)
    assert planted.calls == [(("/r", "c"), {})]


def test_wait_says_that_a_status_is_not_known_and_prints_none(planted):
    planted("pyruntime.container.wait", wait=planted.recorder(None))
    with pytest.raises(errors.RuntimeFailure, match="its exit status is not known") as failure:
        perform("wait", words=["c"])
    assert failure.value.code == 255


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_pause_and_resume_pass_the_id_on(planted, command):
    planted("pyruntime.container.pause", **{command: planted.recorder()})
    assert perform(command, words=["c"]) == 0
    assert planted.calls == [(("/r", "c"), {})]


@pytest.mark.parametrize(
    ("words", "options", "number", "everything"),
    [
        (["c"], {}, 15, False),
        (["c", "KILL"], {}, 9, False),
        (["c", "9"], {"all": True}, 9, True),
    ],
)
def test_kill_sends_the_signal(planted, words, options, number, everything):
    planted("pyruntime.container.kill", kill=planted.recorder())
    assert perform("kill", options, words) == 0
    assert planted.calls == [(("/r", "c", number, everything), {})]


@pytest.fixture
def number(planted):
    planted("pyruntime.container.kill")
    return import_module("pyruntime.command.kill").signal_number


@pytest.mark.parametrize("name", [name for name in signal.Signals.__members__ if "RT" not in name])
def test_every_signal_is_known_in_any_case_with_and_without_sig(number, name):
    value = int(signal.Signals[name])
    short = name.removeprefix("SIG")
    for text in (name, short, name.lower(), short.capitalize(), str(value), f"0{value}"):
        assert number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("+9", 9), ("64", 64), ("RTMIN", 34), ("sigrtmin+3", 37), ("RTMAX-1", 63)],
)
def test_other_forms_of_a_signal(number, text, value):
    assert number(text) == value


@pytest.mark.parametrize(
    "text",
    ["FOO", "", "SIG", "-9", "65", "99999999999999", "_DFL", "SIG_IGN", "SIGSIGTERM", "9x", "٣",
     "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMIN+x", "RTMIN+", "CTRL_C_EVENT"],
)  # fmt: skip
def test_an_unknown_signal_is_refused_by_name(number, text):
    with pytest.raises(errors.UsageError) as refusal:
        number(text)
    assert refusal.value.say() == f'unknown signal "{text}"'


FULL = {
    "bundle": "/b",
    "pid_file": "/p",
    "no_pivot": True,
    "no_new_keyring": True,
    "preserve_fds": 2,
    "console_socket": "/s",
    "pidfd_socket": "/t",
    "cgroups": "cgroupfs",
    "rootless": "",
}
EMPTY = {
    "bundle": ".",
    "pid_file": None,
    "no_pivot": False,
    "no_new_keyring": False,
    "preserve_fds": 0,
    "console_socket": None,
    "pidfd_socket": None,
    "cgroups": "cgroupfs",
    "rootless": "",
}


@pytest.mark.parametrize(("options", "wishes"), [({}, EMPTY), (FULL, FULL)])
def test_create_passes_every_option_on(planted, options, wishes):
    planted("pyruntime.container.create", create=planted.recorder())
    assert perform("create", options, ["c"], caller=CALLER) == 0
    assert planted.calls == [(("/r", "c"), {**wishes, "caller": CALLER})]


@pytest.mark.parametrize("on", [False, True])
def test_run_passes_every_option_on_and_returns_the_status(planted, on):
    planted("pyruntime.container.run", run=planted.recorder(42))
    extra = dict.fromkeys(("detach", "keep", "no_subreaper"), on)
    options = {**FULL, **extra} if on else {}
    assert perform("run", options, ["c"], caller=CALLER) == 42
    wishes = {**(FULL if on else EMPTY), **extra, "caller": CALLER}
    assert planted.calls == [(("/r", "c"), wishes)]


def test_an_empty_path_is_no_path(planted):
    planted("pyruntime.container.create", create=planted.recorder())
    perform("create", {"bundle": "", "pid_file": ""}, ["c"], caller=CALLER)
    assert planted.calls[0][1]["bundle"] == "."
    assert planted.calls[0][1]["pid_file"] is None


@pytest.mark.parametrize(
    ("settings", "wishes"),
    [
        ({"cgroup_manager": "disabled"}, ("disabled", "")),
        ({"cgroup_manager": "cgroupfs", "rootless": "T"}, ("cgroupfs", "true")),
        ({"rootless": "0"}, ("cgroupfs", "false")),
        ({"rootless": "auto"}, ("cgroupfs", "auto")),
    ],
)
def test_who_makes_the_cgroup_is_passed_on(planted, settings, wishes):
    planted("pyruntime.container.create", create=planted.recorder())
    line = Line(settings, "create", {}, ("c",))
    assert import_module("pyruntime.command.create").perform(line, "/r", CALLER) == 0
    passed = planted.calls[0][1]
    assert (passed["cgroups"], passed["rootless"]) == wishes


@pytest.mark.parametrize("command", ["create", "run"])
@pytest.mark.parametrize(
    ("settings", "cgroups"),
    [
        ({}, "cgroupfs"),
        ({"cgroup_manager": "cgroupfs"}, "cgroupfs"),
        ({"cgroup_manager": "systemd"}, "systemd"),
        ({"systemd_cgroup": True}, "systemd"),
        ({"systemd_cgroup": True, "cgroup_manager": "cgroupfs"}, "systemd"),
    ],
)
def test_systemd_makes_the_cgroup_when_either_option_says_so(planted, command, settings, cgroups):
    planted(f"pyruntime.container.{command}", **{command: planted.recorder(0)})
    perform(command, words=["c"], settings=settings, caller=CALLER)
    assert planted.calls[0][1]["cgroups"] == cgroups


def test_the_other_commands_take_the_option_as_engines_pass_it_everywhere(planted):
    planted("pyruntime.container.start", start=planted.recorder())
    assert perform("start", words=["c"], settings={"systemd_cgroup": True}) == 0


ROWS = [
    {
        "ociVersion": "1.3.0", "id": "c1", "pid": 12, "status": "running", "bundle": "/b",
        "rootfs": "/b/rootfs", "created": "2026-01-02T03:04:05.6Z", "owner": "root",
    },
    {
        "ociVersion": "1.3.0", "id": "a-rather-long-name", "pid": 0, "status": "stopped",
        "bundle": "/ü", "rootfs": "/ü/r", "created": "2026-01-02T03:04:05Z", "owner": "#1000",
    },
]  # fmt: skip


@pytest.fixture
def listed(planted, tmp_path):
    def perform_list(rows, options=(), settings=(), root=None):
        planted("pyruntime.container.listing", containers=planted.recorder(rows))
        module = import_module("pyruntime.command.list")
        line = Line(dict(settings), "list", dict(options), ())
        return module.perform(line, str(root or tmp_path))

    return perform_list


def test_the_table_is_laid_out_as_gos_tabwriter_does(listed):
    assert listed(ROWS) == (
        "ID                   PID         STATUS      BUNDLE      CREATED                  OWNER\n"
        "c1                   12          running     /b          2026-01-02T03:04:05.6Z   root\n"
        "a-rather-long-name   0           stopped     /ü          2026-01-02T03:04:05Z     #1000\n"
    )


def test_an_empty_table_has_its_header(listed):
    text = "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
    assert listed([]) == text
    assert listed([], {"format": "table"}) == text


def test_quiet_prints_the_ids(listed):
    assert listed(ROWS, {"quiet": True}) == "c1\na-rather-long-name\n"
    assert listed([], {"quiet": True}) == ""


def test_json_is_one_array_or_null(listed):
    assert listed([], {"format": "json"}) == "null\n"
    assert listed([{"id": "a"}], {"format": "json"}) == '[{"id":"a"}]\n'


def test_another_format_is_refused(listed):
    with pytest.raises(errors.UsageError, match=r"^invalid format option$"):
        listed([], {"format": "yaml"})


def test_a_missing_default_root_is_an_empty_list(listed, tmp_path):
    assert listed(ROWS, {"format": "json"}, root=tmp_path / "none") == "null\n"


def test_a_missing_root_that_was_named_is_an_error(listed, tmp_path):
    root = tmp_path / "none"
    with pytest.raises(errors.KernelError) as failure:
        listed([], settings={"root": str(root)}, root=root)
    assert failure.value.say() == f"open {root}: no such file or directory"


@pytest.fixture
def sample(planted):
    planted("pyruntime.spec.sample", sample=planted.recorder("{}\n"))
    return planted


def test_spec_writes_into_the_bundle(sample, tmp_path):
    assert perform("spec", {"bundle": str(tmp_path), "rootless": True}) == 0
    assert (tmp_path / "config.json").read_text() == "{}\n"
    assert sample.calls[0][0][0] is True


def test_spec_writes_here_without_options(sample, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    perform("spec")
    assert (tmp_path / "config.json").read_text() == "{}\n"
    assert sample.calls[0][0][0] is False


def test_spec_writes_another_name(sample, tmp_path):
    perform("spec", {"bundle": str(tmp_path), "file": "other.json"})
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_spec_never_overwrites(sample, tmp_path):
    (tmp_path / "config.json").symlink_to("nowhere")
    with pytest.raises(errors.UsageError, match=r"^File config\.json exists\. Remove it first$"):
        perform("spec", {"bundle": str(tmp_path)})
    assert not (tmp_path / "nowhere").exists()


def test_spec_in_a_missing_bundle_names_it(sample, tmp_path):
    with pytest.raises(errors.KernelError) as failure:
        perform("spec", {"bundle": f"{tmp_path}/none"})
    assert failure.value.say() == f"open {tmp_path}/none: no such file or directory"


def test_spec_on_a_full_disk_leaves_no_file(sample, tmp_path, monkeypatch):
    module = import_module("pyruntime.command.spec")

    def full(*_):
        raise OSError(28, "full")

    monkeypatch.setattr(module.posix, "write", full)
    with pytest.raises(errors.KernelError, match="config"):
        perform("spec", {"bundle": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_features_is_one_document_with_four_spaces(planted):
    planted("pyruntime.container.features", features=lambda: {"ociVersionMin": "1.0.0"})
    assert perform("features") == '{\n    "ociVersionMin": "1.0.0"\n}\n'
