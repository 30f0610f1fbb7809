"""Hooks: programs that are run at fixed points of a container's life; the plan of them."""

from __future__ import annotations

from pyruntime.feature.step import Step
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config, Hook


class HookStep(Step):
    """Run `path` with `args` and `env` (None: the caller's) for at most `timeout` seconds."""

    __slots__ = ("args", "env", "name", "number", "path", "timeout")

    def __init__(self, name: str, number: int, wish: Hook) -> None:
        self.name, self.number, self.path = name, number, wish["path"]
        self.args: list[str] = list(wish.get("args") or [wish["path"]])
        self.env: list[str] | None = wish.get("env")
        self.timeout: int | None = wish.get("timeout")

    def describe(self) -> str:
        """Name hook and command line."""
        limit = f" within {self.timeout} s" if self.timeout else ""
        return f"run {self.name} hook #{self.number}: {line(self.path, self.args)}{limit}"


def line(path: str, args: list[str]) -> str:
    """Return a program and its words; the first of them only where it is not the program's name."""
    known = args[0] in (path, path.rpartition("/")[2])
    return " ".join([path, *(args[1:] if known else ["as", *args])])


def known() -> list[str]:
    """Return the hook names for `features`."""
    return list(words.HOOKS)


def plan(config: Config, name: str) -> list[HookStep]:
    """Work out the hooks of one name, in order."""
    wishes: list[Hook] = (config.get("hooks") or {}).get(name) or []  # type: ignore[assignment]
    return [HookStep(name, number, wish) for number, wish in enumerate(wishes)]
