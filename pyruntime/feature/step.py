"""The base of every planned step: plain data that can say itself."""

from __future__ import annotations


class Step:
    """Something that `create` will do, worked out but not done.

    Subclasses list their fields in `__slots__` and set them in a plain `__init__`; they are not
    changed afterwards. Two steps are equal when their kinds and fields are.
    """

    __slots__: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the step in one line for people."""
        raise NotImplementedError(type(self).__name__)

    def fields(self) -> tuple[object, ...]:
        """Return the values of all slots, in order."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def __repr__(self) -> str:
        """Show the fields by name."""
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({told})"

    def __eq__(self, other: object) -> bool:
        """Compare kind and fields."""
        return type(self) is type(other) and self.fields() == other.fields()

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash(repr(self))
