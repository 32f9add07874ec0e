"""A registry is a dictionary that answers a wrong name with the right spellings."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

from mien.core.errors import ConfigError

T = TypeVar("T")


class Place(str):
    """Where a thing is to be found, as ``"package.module:name"``: a registry imports it when it is first asked for."""

    def found(self) -> Any:
        """The thing itself.

        Raises:
            ConfigError: no such module, or nothing of that name in it. What a module itself fails to import stays as it
                is.
        """
        module, _, name = self.partition(":")
        try:
            home = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise ConfigError(f"a module {module}", "none of that name", f"correct the line of {self!r}") from error
        if not hasattr(home, name):
            raise ConfigError(f"{name} in {home.__file__}", "nothing of that name", f"correct the line of {self!r}")
        return getattr(home, name)


def did_you_mean(name: str, known: Mapping[str, object] | list[str]) -> str:
    """A hint for a misspelt ``name``: the nearest known names, or all of them when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"use one of: {', '.join(names)}"


class Registry(Mapping[str, T], Generic[T]):
    """Named things of one kind, there or, as a :class:`Place`, somewhere: listing the names imports nothing.

    >>> shapes = Registry("shape", {"square": 4})
    >>> shapes["square"]
    4
    """

    def __init__(self, kind: str, items: Mapping[str, T | Place] | None = None) -> None:
        self.kind = kind
        self._items: dict[str, T | Place] = dict(items or {})

    def add(self, name: str, item: T) -> T:
        """Register ``item``; a name already taken is a bug of the caller and raises ValueError."""
        if name in self._items:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._items[name] = item
        return item

    def demand(self, name: str) -> None:
        """Raise ConfigError, with the right spellings, for a name that is not here; what it names is not imported."""
        if name not in self._items:
            raise ConfigError(f"a known {self.kind}", repr(name), did_you_mean(name, self._items))

    def __getitem__(self, name: str) -> T:
        self.demand(name)
        item = self._items[name]
        if isinstance(item, Place):
            item = self._items[name] = cast(T, item.found())
        return item

    def __contains__(self, name: object) -> bool:
        # Mapping's default asks __getitem__ for a KeyError, ours raises a ConfigError.
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
