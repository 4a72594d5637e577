"""Things found by name: rdpass's own, a user's, and those that installed packages offer as entry points.

1. Our own are given to the registry where they are defined, in order.
2. A user adds one with the decorator ``register``.
3. A package offers one by an entry point of the registry's group. Metadata are read when a name is not known yet, or
   for a listing; the package itself is imported when its entry is asked for, or for a listing of values.
"""

from __future__ import annotations

import difflib
import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from rdpass.core.errors import ConfigError, first_line

log = logging.getLogger(__name__)

T = TypeVar("T")
Given = TypeVar("Given")

OURS = "rdpass"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class _Entry(Generic[T]):
    """``origin``: the module or the package that it comes from."""

    value: T
    origin: str


@dataclass(frozen=True)
class Listed(Generic[T]):
    """An entry for a listing: where it comes from, and why it can't be used where ``value`` is None."""

    name: str
    origin: str
    value: T | None
    unusable: str = ""


class Registry(Generic[T]):
    """Entries of one kind by name, in order: ours, those registered in this process, those of installed packages."""

    def __init__(
        self,
        kind: str,
        group: str,
        builtin: Mapping[str, T],
        entry_of: Callable[[str, Any], T],
        reserved: Iterable[str] = (),
    ) -> None:
        """A registry with our own entries.

        Args:
            kind: what one entry is called in messages.
            group: the group of the entry points that packages offer entries by.
            builtin: our own entries by name, in the order of listings.
            entry_of: makes an entry of a name and what was given under it, or raises ``ConfigError``.
            reserved: names that mean something else already, such as ``auto``.
        """
        self.kind, self.group = kind, group
        self._entry_of, self._reserved = entry_of, frozenset(reserved)
        self._known = {name: _Entry(value, OURS) for name, value in builtin.items()}

    def register(self, name: str) -> Callable[[Given], Given]:
        """A decorator that adds what it is put on, or called with, under ``name``, and returns it unchanged.

        Raises:
            ConfigError: the name is taken, the message says by what; or what is decorated is no such entry.
        """
        origin = str(sys._getframe(1).f_globals.get("__name__", "?"))

        def registered(given: Given) -> Given:
            if name in self._known:
                raise self._given_twice(name, self._known[name].origin, origin)
            self._known[name] = _Entry(self._made(name, given), origin)
            return given

        return registered

    def get(self, name: str) -> T | None:
        """The entry called ``name``, its package imported if need be; None if there is none.

        Raises:
            ConfigError: two packages offer it, or it can't be loaded; the message names package and entry point.
        """
        if name not in self._known:
            points = self._offered().get(name)
            if points is None:
                return None
            self._load(name, points)
        return self._known[name].value

    def find(self, name: str) -> T:
        """The entry called ``name``.

        Raises:
            ConfigError: there is none, and the message lists those there are; or as ``get``.
        """
        found = self.get(name)
        if found is None:
            known = ", ".join(self.names())
            raise ConfigError(f"no {self.kind} is called {name!r}; known are {known}{self.hint(name)}")
        return found

    def names(self) -> tuple[str, ...]:
        """All names; imports no package."""
        return tuple(dict.fromkeys([*self._known, *self._offered()]))

    def entries(self) -> dict[str, T]:
        """All entries by name. One that can't be loaded is left out with a warning.

        Raises:
            ConfigError: a name is given twice; the message says by whom.
        """
        for name, points in self._offered().items():
            self._check_single(name, points)
            if name not in self._known:
                try:
                    self._load(name, points)
                except ConfigError as error:
                    log.warning("left out: %s", error)
        return {name: entry.value for name, entry in self._known.items()}

    def listed(self) -> tuple[Listed[T], ...]:
        """All entries with where they come from; nothing is raised for one that can't be loaded or is given twice."""
        unusable: dict[str, Listed[T]] = {}
        for name, points in self._offered().items():
            try:
                self._check_single(name, points)
                if name not in self._known:
                    self._load(name, points)
            except ConfigError as error:
                origins = dict.fromkeys(map(_package_of, points))
                unusable[name] = Listed(name, ", ".join(origins), None, str(error))
        known = (Listed(name, entry.origin, entry.value) for name, entry in self._known.items())
        return (*known, *unusable.values())

    def loaded(self) -> tuple[T, ...]:
        """The entries that are here already: ours, those registered, and those of packages asked for before."""
        return tuple(entry.value for entry in self._known.values())

    def hint(self, name: str, others: Iterable[str] = ()) -> str:
        """The end of a message about an unknown name: the known one, or one of ``others``, that is near it."""
        near = difflib.get_close_matches(name, [*others, *self.names()], 1)
        return f"; did you mean {near[0]}?" if near else ""

    def _offered(self) -> dict[str, list[EntryPoint]]:
        """The entry points of installed packages by name, sorted."""
        offered: dict[str, list[EntryPoint]] = {}
        for point in sorted(entry_points(group=self.group), key=lambda point: (point.name, _package_of(point))):
            offered.setdefault(point.name, []).append(point)
        return offered

    def _check_single(self, name: str, points: Sequence[EntryPoint]) -> None:
        if len(points) > 1:
            raise self._given_twice(name, _package_of(points[0]), _package_of(points[1]))
        if name in self._known and self._known[name].origin not in (_package_of(points[0]), points[0].module):
            raise self._given_twice(name, self._known[name].origin, _package_of(points[0]))

    def _load(self, name: str, points: Sequence[EntryPoint]) -> None:
        self._check_single(name, points)
        point = points[0]
        try:
            value = self._made(name, point.load())
        except Exception as error:  # other people's code raises anything
            raise ConfigError(
                f"{self.kind} {name!r} of the package {_package_of(point)} can't be loaded (entry point {name} ="
                f" {point.value} of {self.group}): {_said(error)}"
            ) from error
        self._known.setdefault(name, _Entry(value, _package_of(point)))  # its module may have registered it meanwhile

    def _made(self, name: str, given: object) -> T:
        if not NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is no name for a {self.kind}: letters, digits, dots, dashes and underscores")
        if name in self._reserved:
            raise ConfigError(f"{name!r} is no name for a {self.kind}: rdpass uses it for something else")
        return self._entry_of(name, given)

    def _given_twice(self, name: str, first: str, second: str) -> ConfigError:
        return ConfigError(f"{self.kind} {name!r} is given twice, by {first} and by {second}; one needs another name")


def a_callable(kind: str) -> Callable[[str, Any], Any]:
    """The ``entry_of`` of a registry whose entries are functions."""

    def checked(name: str, given: Any) -> Any:
        if not callable(given):
            raise ConfigError(f"{kind} {name!r} is to be a function, not a {type(given).__name__}")
        return given

    return checked


def _package_of(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {first_line(error)}"
