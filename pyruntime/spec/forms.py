"""What a string of the configuration may look like: one small question for each pattern.

The patterns of schema/config.json say the same as regular expressions; `re` costs 4.7 ms, so the
quick check asks these instead. `BY_PATTERN` pairs them, and a test asks both.
"""

from __future__ import annotations

_DIGITS = "0123456789"
_CPU_LIST = frozenset(_DIGITS + ", -")
_ACCESS = frozenset("rwm")
_SUFFIX = frozenset(_DIGITS + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-")


def text(value: str) -> bool:
    """Tell whether the kernel can be given this string: it has no NUL byte."""
    return "\0" not in value


def not_empty(value: str) -> bool:
    """Tell whether there is anything in this string."""
    return bool(value)


def absolute_path(value: str) -> bool:
    """Tell whether this path begins at the root."""
    return value[:1] == "/" and "\0" not in value


def namespace_path(value: str) -> bool:
    """Tell whether this is an absolute path, or "" for a new namespace."""
    return not value or absolute_path(value)


def file_name(value: str) -> bool:
    """Tell whether this can name a file in one directory."""
    return bool(value) and "/" not in value and "\0" not in value


def one_line(value: str) -> bool:
    """Tell whether this has no line end."""
    return "\n" not in value and "\0" not in value


def bandwidth_schema(value: str) -> bool:
    """Tell whether this is a line for resctrl's memory bandwidth."""
    return value[:3] == "MB:" and one_line(value)


def cpu_list(value: str) -> bool:
    """Tell whether this could be a list of processors, such as 0-3,7."""
    return _CPU_LIST.issuperset(value)


def device_access(value: str) -> bool:
    """Tell whether this is a composition of r, w and m."""
    return _ACCESS.issuperset(value)


def page_size(value: str) -> bool:
    """Tell whether this is a huge page's size, such as 2MB."""
    return value[-2:] in ("KB", "MB", "GB") and _number(value[:-2]) and value[0] != "0"


def version(value: str) -> bool:
    """Tell whether this is a version of Semantic Versioning 2.0.0, such as 1.3.0 or 1.0.2-dev."""
    core = value.split("-", 1)[0].split("+", 1)[0]
    numbers = core.split(".")
    if len(numbers) != len(("major", "minor", "patch")) or not all(map(_number, numbers)):
        return False
    suffix = value[len(core) :]
    return not suffix or (len(suffix) > 1 and _SUFFIX.issuperset(suffix))


def _number(value: str) -> bool:
    return value.isascii() and value.isdigit() and (value[0] != "0" or value == "0")


BY_PATTERN = {
    r"^[^\u0000]*$": text,
    r"^/[^\u0000]*$": absolute_path,
    r"^(/[^\u0000]*)?$(?!\n)": namespace_path,
    r"^[^/\u0000]+$": file_name,
    r"^[^\n\u0000]*$(?!\n)": one_line,
    r"^MB:[^\n\u0000]*$(?!\n)": bandwidth_schema,
    r"^[0-9, -]*$(?!\n)": cpu_list,
    r"^[rwm]*$(?!\n)": device_access,
    r"^[1-9][0-9]*[KMG]B$(?!\n)": page_size,
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)([-+][0-9A-Za-z.+-]+)?$(?!\n)": version,
}
