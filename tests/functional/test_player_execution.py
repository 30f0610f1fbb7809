"""Where the native program goes and what it executes, and the words when it cannot."""

import os

import pytest
from functional.played import shell

from pyruntime.kernel import door

# ---- the working directory ----

OUTSIDE = (
    "current working directory is outside of container mount namespace root"
    " -- possible container breakout detected"
)


def test_a_missing_working_directory(play):
    player = play(cwd="/no/such")
    assert (
        player.heard()
        == 'chdir to cwd ("/no/such") set in config.json failed: no such file or directory'
    )
    assert (player.ended(), player.said("err")) == (1, "")


def test_a_directory_of_root_is_entered_as_root(play, open_directory):
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    assert play(**shell("pwd"), cwd=str(closed), uid=1000).payload() == f"{closed}\n"


def test_a_directory_that_only_the_user_may_enter_is_entered_as_the_user(play, open_directory):
    theirs = open_directory / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 1000, 1000)

    def prepare():
        for number in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            door.call("prctl", 24, number, 0, 0, 0)

    wish = {"cwd": str(theirs), "uid": 1000, "gid": 1000, "prepare": prepare}
    assert play(**shell("pwd"), **wish).payload() == f"{theirs}\n"
    player = play(**wish | {"uid": 1001, "gid": 1001})
    assert (
        player.heard() == f'chdir to cwd ("{theirs}") set in config.json failed: permission denied'
    )


def test_a_directory_outside_of_the_root_is_an_escape(play, tmp_path):
    """CVE-2024-21626: getcwd(2) says `(unreachable)/…` and gives no error."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    player = play(cwd=".", prepare=lambda: os.chdir("/tmp") or os.chroot(root))
    assert player.heard() == OUTSIDE
    assert player.ended() == 1


def test_a_directory_that_was_removed_is_an_escape(play, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    player = play(cwd=".", prepare=lambda: os.chdir(gone) or gone.rmdir())
    assert player.heard() == f"{OUTSIDE}: no such file or directory"


# ---- execution ----


def test_the_first_candidate_that_can_be_executed_is_taken(play, tmp_path):
    (tmp_path / "closed").write_text("")
    candidates = ["/no/such", "/etc/passwd/sh", str(tmp_path / "closed"), "/bin/sh", "/bin/false"]
    assert play(args=["sh", "-c", "echo $0"], candidates=candidates).payload() == "sh\n"


@pytest.mark.parametrize(
    ("name", "found", "told"),
    [
        ("nosuch", [], 'exec: "nosuch": executable file not found in $PATH'),
        (
            "nosuch",
            ["/bin/nosuch", "/etc/passwd/x"],
            'exec: "nosuch": executable file not found in $PATH',
        ),
        ("/no/such", ["/no/such"], "exec /no/such: no such file or directory"),
        (
            "passwd",
            ["/no/such", "/etc/passwd", "/bin/nosuch"],
            "exec /etc/passwd: permission denied",
        ),
        ("/etc", ["/etc"], "exec /etc: permission denied"),
    ],
)
def test_what_cannot_be_executed_is_said_as_runc_says_it(play, name, found, told):
    player = play(waits=False, args=[name], candidates=found)
    assert player.heard() == told
    assert player.heard() == ""
    assert (player.ended(), player.said("err")) == (1, "")


def test_a_file_of_no_format_ends_the_walk(play, tmp_path):
    odd = tmp_path / "odd"
    odd.write_text("nothing known")
    odd.chmod(0o755)
    player = play(waits=False, candidates=[str(odd), "/bin/sh"])
    assert player.heard() == f"exec {odd}: exec format error"


def test_a_script_whose_interpreter_is_missing(play, tmp_path):
    odd = tmp_path / "odd"
    odd.write_text("#!/no/such\n")
    odd.chmod(0o755)
    player = play(waits=False, args=[str(odd)], candidates=[str(odd)])
    assert player.heard() == f"exec {odd}: no such file or directory"
