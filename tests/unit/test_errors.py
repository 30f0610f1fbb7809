"""Every failure says itself in one line, with the words that engines look for."""

import errno

import pytest

from pyruntime import errors


def test_every_failure_is_a_runtime_failure_with_exit_status_1():
    kinds = [errors.UsageError, errors.SpecError, errors.Unsupported, errors.NotFound, errors.AlreadyExists,
             errors.WrongStatus, errors.KernelError, errors.HookFailed, errors.ChildFailed]  # fmt: skip
    assert all(issubclass(kind, errors.RuntimeFailure) for kind in kinds)
    assert {kind.code for kind in kinds} == {1}


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (errors.RuntimeFailure("words"), "words"),
        (errors.NotFound(), "container does not exist"),
        (errors.AlreadyExists(), "container with given ID already exists"),
        (errors.ChildFailed("its own words"), "its own words"),
        (errors.SpecError([("/a/b", "is wrong")]), "invalid config.json: /a/b: is wrong"),
        (errors.SpecError([("", "x"), ("/c", "y")]), "invalid config.json: x; /c: y"),
        (errors.KernelError("mount", "/x", errno.EPERM), "mount /x: operation not permitted"),
        (errors.KernelError("mount", "", errno.EPERM), "mount: operation not permitted"),
        (errors.KernelError("open", "/x", errno.ENOENT, "make it"), "open /x: no such file or directory (make it)"),
    ],
)
def test_a_failure_says_itself(failure, told):
    assert failure.say() == told


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOENT, "no such file or directory"),
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "operation not permitted"),
        (errno.EISDIR, "is a directory"),
        (errno.ENOTDIR, "not a directory"),
        (errno.ENODEV, "no such device"),
        (errno.ENOEXEC, "exec format error"),
        (4095, "unknown error 4095"),
    ],
)
def test_reasons_are_spelled_as_engines_expect_them(number, told):
    assert errors.reason(number) == told


def test_a_block_gives_an_os_error_its_context():
    with pytest.raises(errors.KernelError) as caught, errors.doing("open", "/x/y"):
        raise FileNotFoundError(errno.ENOENT, "of Python", "/other")
    assert caught.value.say() == "open /x/y: no such file or directory"
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_known_cure_is_told_for_its_errno_only():
    cures = {errno.EPERM: "be root"}
    for number, told in ((errno.EPERM, "try: operation not permitted (be root)"), (errno.EIO, None)):
        with pytest.raises(errors.KernelError) as caught, errors.doing("try", "", cures):
            raise OSError(number, "x")
        assert caught.value.number == number
        if told:
            assert caught.value.say() == told
        else:
            assert "be root" not in caught.value.say()


def test_words_of_the_file_system_are_told_where_no_cure_is_known():
    class Explained(OSError):
        words = "tmpfs: Unknown parameter 'foo'"

    with pytest.raises(errors.KernelError) as caught, errors.doing("mount", "/x"):
        raise Explained(errno.EINVAL, "x")
    assert caught.value.say() == "mount /x: invalid argument (tmpfs: Unknown parameter 'foo')"


def test_the_inner_context_is_kept():
    with pytest.raises(errors.KernelError) as caught, errors.doing("outer"), errors.doing("inner"):
        raise OSError(errno.EIO, "x")
    assert caught.value.doing == "inner"


def test_other_errors_pass_untouched():
    with pytest.raises(ValueError, match=r"^mine$"), errors.doing("try"):
        raise ValueError("mine")
    with pytest.raises(errors.NotFound), errors.doing("try"):
        raise errors.NotFound


def test_a_block_that_succeeds_is_silent():
    with errors.doing("try"):
        value = 1
    assert value == 1


def test_an_os_error_without_a_number_is_still_told():
    with pytest.raises(errors.KernelError) as caught, errors.doing("try", "it"):
        raise OSError("no number")
    assert caught.value.say().startswith("try it: ")
