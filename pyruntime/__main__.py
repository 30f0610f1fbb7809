"""`python3 -m pyruntime`: the same as the installed launcher."""

from __future__ import annotations

from pyruntime.main import launched

launched()
