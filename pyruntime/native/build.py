"""Compile the native program: `python3 build.py OUT`, and the same inside a wheel build.

One compiler call and no header of a C library: gcc or clang alone suffice. The flags give a static
program of a few kilobytes without a writable section and without an executable stack.

Hatchling executes this file by its path, so it imports nothing of pyruntime; it is not installed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "player.c"
NAME = "waiting_init"

FLAGS = (
    "-Os", "-std=gnu11", "-Wall", "-Wextra", "-Werror",
    "-Wno-unused-command-line-argument",  # clang, of -no-pie
    "-ffreestanding", "-nostdlib", "-static",
    "-fno-pie", "-no-pie", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables", "-fomit-frame-pointer", "-ffunction-sections",
    "-Wl,-n,-z,noexecstack,--build-id=none,--gc-sections", "-s",
)  # fmt: skip
MACHINES = ("x86_64", "aarch64")
ERRNOS = 134  # one more than EHWPOISON, the last


def _output(command: list[str]) -> str:
    """Run the compiler; end the program in one line where that fails."""
    try:
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    except OSError as error:
        raise SystemExit(
            f"pyruntime needs a C compiler for its native program ({command[0]}: {error.strerror});"
            " install gcc or name one in CC"
        ) from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{shlex.join(command)} failed with status {error.returncode}") from None


def reasons() -> str:
    """Return what strerror(3) says of each errno as a literal of C, number 0 first.

    Each text ends with a NUL and an empty one ends them all, as player.c reads them.
    """
    texts = ["unknown error", *map(os.strerror, range(1, ERRNOS))]
    return "".join(f'"{text}\\0"' for text in texts)


def compile_player(out: Path) -> str:
    """Compile the player to `out`, with the compiler that CC names (its default is `cc`).

    Returns:
        The machine it is for: x86_64 or aarch64.

    Raises:
        SystemExit: with one line: no compiler, another machine, or a failed compilation.
    """
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    machine = _output([*compiler, "-dumpmachine"]).partition("-")[0].strip()
    if machine not in MACHINES:
        raise SystemExit(f"pyruntime runs on x86_64 and aarch64, not on {machine}")
    flags = [*FLAGS, "-fcf-protection=none"] if machine == "x86_64" else [*FLAGS]
    fresh = out.with_name(f"{out.name}.new")
    with tempfile.TemporaryDirectory() as scratch:
        header = Path(scratch, "reasons.h")
        header.write_text(f"#define REASONS {reasons()}\n", encoding="ascii")
        _output([*compiler, *flags, "-include", str(header), "-o", str(fresh), str(SOURCE)])
    fresh.replace(out)  # never rewritten in place: an older one may be running
    return machine


try:
    from hatchling.builders.config import BuilderConfig
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # `make` needs no hatchling
    pass
else:

    class PlayerBuildHook(BuildHookInterface[BuilderConfig]):
        """Compile the player for a wheel and tag the wheel with the machine, not with a Python."""

        def initialize(self, version: str, build_data: dict[str, object]) -> None:
            """Add the program to the wheel; no libc is inside, so both platform tags are true."""
            del version
            if self.target_name != "wheel":
                return
            machine = compile_player(SOURCE.with_name(NAME))
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-manylinux_2_17_{machine}.musllinux_1_1_{machine}"
            artifacts = build_data["artifacts"]
            assert isinstance(artifacts, list)  # as hatchling promises
            artifacts.append(f"pyruntime/native/{NAME}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: build.py OUT")
    compile_player(Path(sys.argv[1]))
