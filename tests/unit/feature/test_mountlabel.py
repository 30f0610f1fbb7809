"""linux.mountLabel: which mounts get it, in which form, and what is said without SELinux."""

import pytest

from pyruntime.feature import host, masks, mountlabel, mounts, oddmounts
from pyruntime.kernel import door, mount

LABEL = "system_u:object_r:container_file_t:s0:c715,c811"


def labelled(kind, *options, source="s"):
    """Return the step of one entry of a labelled container."""
    entry = {"destination": "/d", "type": kind, "source": source, "options": list(options)}
    (step,) = mounts.plan({"mounts": [entry], "linux": {"mountLabel": LABEL}}, "/b", "/cgroup")
    return step


@pytest.mark.parametrize("kind", ["tmpfs", "devpts", "ramfs", "overlay", "hugetlbfs"])
def test_a_new_file_system_gets_the_context_as_one_option_however_many_commas_it_has(kind):
    step = labelled(kind, "size=1k")
    assert step.options == [("size", "1k"), ("context", LABEL)]
    assert step.extensions == []


@pytest.mark.parametrize("kind", ["proc", "sysfs", "cgroup", "cgroup2"])
def test_what_the_policy_labels_by_itself_gets_none(kind):
    step = labelled(kind)
    assert step.options == step.extensions == []


def test_binds_and_remounts_get_none():
    for step in (labelled("tmpfs", "bind"), labelled("tmpfs", "remount", "size=1k")):
        assert not any(key == "context" for key, _ in step.options)
        assert step.extensions == []


def test_mqueue_gets_it_as_an_attribute_of_its_root():
    step = labelled("mqueue")
    assert (step.options, step.extensions) == ([], [("label", LABEL)])
    assert mounts.is_odd(step)
    assert step.describe() == f"mount mqueue on /d (label={LABEL})"


@pytest.mark.parametrize("option", ["context", "fscontext", "defcontext", "rootcontext"])
def test_a_mount_that_has_a_context_keeps_it(option):
    assert labelled("tmpfs", f"{option}=a:b:c:s0").options == [(option, "a:b:c:s0")]


def test_without_a_label_nothing_is_labelled():
    entry = {"destination": "/d", "type": "tmpfs", "source": "s"}
    for linux in ({}, {"mountLabel": ""}):
        (step,) = mounts.plan({"mounts": [entry], "linux": linux}, "/b")
        assert step.options == []


def test_a_context_is_quoted_for_mount_2_only_where_it_has_commas(monkeypatch):
    told = []
    monkeypatch.setattr(mount, "legacy", lambda *words: told.append(words[3]))
    monkeypatch.setattr(oddmounts.attach, "make_place", lambda *_: 8)
    monkeypatch.setattr(oddmounts.rootfs, "keep_out_of_proc", lambda *_, **__: None)
    monkeypatch.setattr(oddmounts.path, "resolve", lambda *_: 9)
    monkeypatch.setattr(oddmounts.path, "mount_id", lambda descriptor: descriptor)
    monkeypatch.setattr(oddmounts.posix, "close", lambda _: None)
    lower = "lowerdir=" + ":".join("/" + "l" * 200 for _ in range(2))
    for label, written in ((LABEL, f'context="{LABEL}"'), ("a:b:c:s0", "context=a:b:c:s0")):
        (step,) = mounts.plan(
            {
                "mounts": [{"destination": "/d", "type": "overlay", "source": "s", "options": [lower, "userxattr"]}],
                "linux": {"mountLabel": label},
            },
            "/b",
        )
        assert mounts.apply(step, 7, None) is None
        assert told.pop() == f"{lower},userxattr,{written}"


@pytest.mark.parametrize("label", ["", LABEL])
def test_the_empty_directory_of_masks_gets_it(monkeypatch, label):
    told = []
    monkeypatch.setattr(mount, "fsopen", lambda kind: told.append((kind,)) or 9)
    monkeypatch.setattr(mount, "fsconfig", lambda _, *words: told.append(words))
    monkeypatch.setattr(mount, "fsmount", lambda *_: 10)
    monkeypatch.setattr(masks.posix, "close", lambda _: None)
    assert masks._make_empty(label) == 10
    assert [words for words in told if words[0] == "context"] == ([("context", label)] if label else [])
    assert told[0] == ("tmpfs",)


def selinux(monkeypatch, kind, flags):
    """Have statfs(2) say what lies at /sys/fs/selinux; None for nothing."""

    def call(name, path, answer):
        assert (name, path) == ("statfs", "/sys/fs/selinux")
        if kind is None:
            raise FileNotFoundError(2, "no such file or directory")
        answer[:8] = kind.to_bytes(8, "little")
        answer[80:88] = flags.to_bytes(8, "little")
        return 0

    monkeypatch.setattr(door, "call", call)


@pytest.mark.parametrize(
    ("kind", "flags", "enabled"),
    [(0xF97CFF8C, 0x20, True), (0xF97CFF8C, 0x21, False), (0x62656572, 0, False), (None, 0, False)],
)
def test_selinux_is_on_where_its_file_system_can_be_written(monkeypatch, kind, flags, enabled):
    selinux(monkeypatch, kind, flags)
    assert host.selinux_enabled() is enabled


def test_without_selinux_the_label_is_left_out_with_a_warning_that_names_the_key(monkeypatch):
    selinux(monkeypatch, None, 0)
    config = {"mounts": [], "linux": {"mountLabel": LABEL, "maskedPaths": ["/a"]}}
    told = mountlabel.check(config)
    assert told == ["linux.mountLabel: SELinux is off on this host, the mounts bear no label"]
    assert config == {"mounts": [], "linux": {"maskedPaths": ["/a"]}}


def test_with_selinux_the_label_stays(monkeypatch):
    selinux(monkeypatch, 0xF97CFF8C, 0)
    config = {"linux": {"mountLabel": LABEL}}
    assert mountlabel.check(config) == []
    assert config == {"linux": {"mountLabel": LABEL}}
