"""The payload's environment and program are looked up in the image, never on the host."""

import errno
import os

import pytest

from pyruntime import errors
from pyruntime.container import program

PASSWD = """root:x:0:0:root:/root:/bin/sh
broken
short:x:7
nobody:x:65534:65534::/:/bin/false
user:x:1000:1000::/home/user:/bin/sh
later:x:1000:1000::/home/later:/bin/sh
empty:x:5:5:::/bin/sh
"""


@pytest.fixture
def image(tmp_path):
    """A root file system."""
    path = tmp_path / "image"
    for name in ("bin", "sbin", "etc", "work"):
        (path / name).mkdir(parents=True)
    for name, mode in (("bin/tool", 0o755), ("sbin/tool", 0o755), ("bin/text", 0o644), ("work/own", 0o100)):
        (path / name).touch(mode)
        (path / name).chmod(mode)
    (path / "etc/passwd").write_text(PASSWD)
    return path


@pytest.fixture
def root(image):
    descriptor = os.open(image, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("uid", "home"),
    [(0, "/root"), (1000, "/home/user"), (65534, "/"), (5, "/"), (7, "/"), (1, "/"), (4294967295, "/")],
)
def test_home_is_that_of_the_images_passwd(root, uid, home):
    assert program.home(uid, root) == home


def test_an_image_without_passwd_has_no_homes(image, root):
    (image / "etc/passwd").unlink()
    assert program.home(0, root) == "/"


@pytest.mark.parametrize("kind", ["directory", "fifo", "link", "endless"])
def test_an_odd_passwd_is_as_good_as_none(image, root, kind, tmp_path):
    file = image / "etc/passwd"
    file.unlink()
    if kind == "directory":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "link":
        (tmp_path / "passwd").write_text("root:x:0:0::/stolen:/bin/sh\n")
        file.symlink_to(tmp_path / "passwd")
    else:
        with file.open("wb") as out:
            out.write(b"root:x:0:0::/far:/bin/sh\n")
            out.truncate(64 << 20)
    assert program.home(0, root) == "/"


def test_a_link_in_the_image_leads_through_the_image(image, root):
    (image / "etc/passwd").rename(image / "etc/other")
    (image / "etc/passwd").symlink_to("/etc/other")
    assert program.home(0, root) == "/root"


def test_a_home_may_have_bytes_of_any_kind(image, root):
    (image / "etc/passwd").write_bytes(b"root:x:0:0::/h\xff:/bin/sh\n")
    assert program.home(0, root) == "/h\udcff"
    (image / "etc/passwd").write_bytes(b"root:x:0:0::/h\x00x:/bin/sh\n")
    assert program.home(0, root) == "/"


@pytest.mark.parametrize(
    ("env", "made"),
    [
        ([], ["HOME=/root"]),
        (["A=1"], ["A=1", "HOME=/root"]),
        (["A=1", "B=2", "A=3"], ["A=3", "B=2", "HOME=/root"]),
        (["HOME=/mine", "A=1"], ["HOME=/mine", "A=1"]),
        (["HOME=", "A=1"], ["HOME=/root", "A=1"]),
        (["EMPTY=", "EQUAL=a=b"], ["EMPTY=", "EQUAL=a=b", "HOME=/root"]),
    ],
)
def test_the_last_of_a_name_wins_and_home_is_there(root, env, made):
    assert program.environment(env, 0, root) == made


@pytest.mark.parametrize(
    ("name", "env", "cwd", "found"),
    [
        ("/bin/tool", [], "/", ["/bin/tool"]),
        ("./own", [], "/work", ["/work/./own"]),
        ("bin/tool", [], "/", ["/bin/tool"]),
        ("tool", ["PATH=/bin"], "/", ["/bin/tool"]),
        ("tool", ["PATH=/sbin:/bin"], "/", ["/sbin/tool", "/bin/tool"]),
        ("tool", ["PATH=/nowhere:/etc/passwd:/bin"], "/", ["/bin/tool"]),
        ("own", ["PATH=:/bin"], "/work", ["/work/./own"]),
        ("own", ["PATH=../work"], "/bin", ["/bin/../work/own"]),
    ],
)
def test_a_program_is_found(root, name, env, cwd, found):
    assert program.candidates(name, env, cwd, root) == found


@pytest.mark.parametrize(
    ("name", "env", "words"),
    [
        ("/bin/none", [], 'exec: "/bin/none": stat /bin/none: no such file or directory'),
        ("/etc/passwd/x", [], 'exec: "/etc/passwd/x": stat /etc/passwd/x: no such file or directory'),
        ("/etc", [], 'exec: "/etc": is a directory'),
        ("/bin/text", [], 'exec: "/bin/text": permission denied'),
        ("none", ["PATH=/bin:/sbin"], 'exec: "none": executable file not found in $PATH'),
        ("tool", [], 'exec: "tool": executable file not found in $PATH'),
        ("tool", ["PATH="], 'exec: "tool": executable file not found in $PATH'),
        ("text", ["PATH=/sbin:/bin"], 'exec: "text": permission denied'),
    ],
)
def test_a_program_that_is_not_there_is_told_in_the_words_engines_know(root, name, env, words):
    with pytest.raises(errors.ChildFailed) as failure:
        program.candidates(name, env, "/", root)
    assert failure.value.say() == words


def test_links_are_followed_inside_of_the_image_only(image, root):
    (image / "bin/linked").symlink_to("/sbin/tool")
    (image / "bin/outside").symlink_to("/../../../../usr/bin/env")
    assert program.candidates("linked", ["PATH=/bin"], "/", root) == ["/bin/linked"]
    with pytest.raises(errors.ChildFailed, match="no such file or directory"):
        program.candidates("/bin/outside", [], "/", root)


def test_links_in_a_circle_are_told(image, root):
    (image / "bin/round").symlink_to("round")
    with pytest.raises(errors.ChildFailed, match=errors.reason(errno.ELOOP)):
        program.candidates("/bin/round", [], "/", root)
