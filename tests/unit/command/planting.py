"""Stand-ins for modules of the floor below, so that the command line is tested alone."""

import sys
import types
from importlib import import_module


class Planted:
    """Puts modules with given contents in the place of real ones, and takes them out again."""

    def __init__(self, monkeypatch):
        self.monkeypatch, self.calls = monkeypatch, []

    def __call__(self, name, **contents):
        module = types.ModuleType(name)
        module.__dict__.update(contents)
        package, _, last = name.rpartition(".")
        self.monkeypatch.setitem(sys.modules, name, module)
        self.monkeypatch.setattr(import_module(package), last, module, raising=False)
        self.forget_commands()
        return module

    def recorder(self, answer=None):
        """Return a function that notes its arguments in `calls` and returns `answer`."""

        def called(*given, **named):
            self.calls.append((given, named))
            return answer

        return called

    def forget_commands(self):
        """Have every command module loaded anew, with what is planted now."""
        for name in [name for name in sys.modules if name.startswith("pyruntime.command.")]:
            if name.rpartition(".")[2] not in ("fast", "full", "grammar", "respell"):
                del sys.modules[name]
