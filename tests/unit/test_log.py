"""The log that engines read."""

import json
import os
import pty
import re
import time
from datetime import datetime

import pytest

from pyruntime import errors, log

RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"


@pytest.fixture(autouse=True)
def _fresh():
    log.close()
    yield
    log.close()


def test_an_entry_is_runcs_text_line_on_standard_error(capfd):
    log.error('no "x"\nhere')
    shown = capfd.readouterr().err
    assert re.fullmatch(rf'time="{RFC3339}" level=error msg="no \\"x\\"\\nhere"\n', shown)


def test_a_plain_word_has_no_quotes_as_in_logrus(capfd):
    log.warning("plain-word_1./@^+")
    assert capfd.readouterr().err.endswith(" level=warning msg=plain-word_1./@^+\n")
    log.warning("")
    assert capfd.readouterr().err.endswith(' level=warning msg=""\n')


def test_on_a_terminal_an_entry_is_for_people(monkeypatch):
    monkeypatch.setattr(log, "_began", time.monotonic() - 12)
    parent, child = pty.openpty()
    kept = os.dup(2)
    os.dup2(child, 2)
    try:
        log.error("what happened")
        log.warning("take care")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    shown = b""
    while shown.count(b"\n") < 2:  # a terminal may hand each line over on its own
        shown += os.read(parent, 4096)
    os.close(parent)
    os.close(child)
    assert shown == b"ERRO[0012] what happened\r\nWARN[0012] take care\r\n"


def test_json_has_the_keys_that_engines_read_in_order(tmp_path):
    log.open(f"{tmp_path}/log", "json", False)
    log.error('broken "ü"\n\udcff')
    text = (tmp_path / "log").read_text()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    entry = json.loads(text)
    assert list(entry) == ["level", "msg", "time"]
    assert entry["level"] == "error"
    assert entry["msg"] == 'broken "ü"\n\ufffd'
    assert re.fullmatch(RFC3339, entry["time"])


def test_json_goes_to_standard_error_without_a_file(capfd):
    log.open(None, "json", False)
    log.error("x y")
    assert json.loads(capfd.readouterr().err)["msg"] == "x y"


def test_a_file_is_appended_to_and_made_with_0644(tmp_path, capfd):
    old = os.umask(0)
    try:
        log.open(f"{tmp_path}/log", "text", False)
    finally:
        os.umask(old)
    log.error("one x")
    log.open(f"{tmp_path}/log", "text", False)
    log.error("two x")
    assert (tmp_path / "log").read_text().count("\n") == 2
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o644
    assert log.apart()
    assert capfd.readouterr().err == ""


def test_an_entry_is_one_write(tmp_path, monkeypatch):
    log.open(f"{tmp_path}/log", "json", False)
    written = []
    monkeypatch.setattr(log.posix, "write", lambda fd, data: written.append(data))
    log.error("x" * 100000)
    assert len(written) == 1


def test_the_descriptor_does_not_survive_exec(tmp_path):
    log.open(f"{tmp_path}/log", "json", False)
    assert not os.get_inheritable(log._descriptor)


@pytest.mark.parametrize(
    ("debug", "level", "shown"),
    [
        (False, "", ["info", "warning", "error"]),
        (True, "", ["debug", "info", "warning", "error"]),
        (False, "debug", ["debug", "info", "warning", "error"]),
        (False, "warn", ["warning", "error"]),
        (False, "warning", ["warning", "error"]),
        (False, "error", ["error"]),
        (True, "error", ["debug", "info", "warning", "error"]),
    ],
)
def test_levels(capfd, debug, level, shown):
    log.open(None, "json", debug, level)
    for entry in (log.debug, log.info, log.warning, log.error):
        entry("x y")
    lines = capfd.readouterr().err.splitlines()
    assert [json.loads(line)["level"] for line in lines] == shown


def test_an_unknown_format_or_level_is_refused():
    with pytest.raises(errors.UsageError, match=r"^invalid log-format: xml$"):
        log.open(None, "xml", False)
    with pytest.raises(errors.UsageError, match=r"^invalid log-level: loud$"):
        log.open(None, "text", False, "loud")


def test_a_file_that_cannot_be_opened_is_an_error_and_the_log_stays_on_standard_error(tmp_path):
    with pytest.raises(errors.KernelError) as failure:
        log.open(f"{tmp_path}/none/log", "json", False)
    assert failure.value.say() == f"open {tmp_path}/none/log: no such file or directory"
    assert not log.apart()


def test_a_full_disk_does_not_change_what_the_command_does():
    log.open("/dev/full", "text", False)
    log.error("x y")


@pytest.mark.parametrize(
    ("zone", "end"),
    [("UTC", "Z"), ("XXX-5:30", "+05:30"), ("XXX3", "-03:00"), ("XXX9:30", "-09:30")],
)
def test_the_time_has_the_local_offset(monkeypatch, zone, end):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        text = log.moment(1767323045.9)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert text.endswith(end)
    assert datetime.fromisoformat(text).timestamp() == 1767323045


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('a"b\\', r'"a\"b\\"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\x00\x1b\x7f", r'"\x00\x1b\x7f"'),
        ("ü€\U0001f600", '"ü€\U0001f600"'),
        ("\u200b\u202e\U000e0001", r'"\u200b\u202e\U000e0001"'),
        ("\udcff", r'"\xff"'),
    ],
)
def test_texts_are_quoted_as_go_does(text, shown):
    assert log.quoted(text) == shown
