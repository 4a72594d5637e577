"""A user's code by name: what ``pkg.mod:name`` stands for, and the line of it that raised an error."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rdpass.core.errors import ConfigError


def names_code(text: str) -> bool:
    """Tell whether a text is ``pkg.mod:name``, and no name in a registry, which has no colon."""
    return ":" in text


def find_named(spec: str, what: str) -> Any:
    """What ``pkg.mod:name`` names; the current folder is on the path.

    Args:
        spec: a module and, behind the colon, a name in it (``Class.method`` too).
        what: what it is to be, for messages.

    Raises:
        ConfigError: not such a text, there is no such module or name, or the module can't be imported.

    Example:
        >>> find_named("math:tau", "the number")
        6.283185307179586
    """
    module_name, _, name = spec.partition(":")
    if not module_name or not name:
        raise ConfigError(f"{what} {spec!r} is not understood: write pkg.mod:callable")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with failures_told(f"{what} {spec!r} can't be imported:"):
        try:
            found = importlib.import_module(module_name)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"{what} {spec!r} can't be found: {error}") from error
    return found


@contextmanager
def failures_told(what: str) -> Iterator[None]:
    """A block that runs a user's code: whatever that ends with is one line, with the place in the code.

    Raises:
        ConfigError: it raised something, or ended the program, as a script does that reads its arguments.
    """
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        ended = isinstance(error, SystemExit)
        remedy = "; keep what runs a script behind `if __name__ == '__main__':`" if ended else ""
        line = users_line(error)
        raise ConfigError(f"{what} {type(error).__name__}: {error}{remedy}{f', at {line}' if line else ''}") from error


def users_line(error: BaseException) -> str:
    """``file:line (its text)`` of the innermost frame that is neither torch's nor ours; empty if there is none."""
    ours = [str(Path(__file__).parent.parent), "<"]
    if "torch" in sys.modules:
        ours.append(str(Path(str(sys.modules["torch"].__file__)).parent))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(tuple(ours))]
    return f"{frames[-1].filename}:{frames[-1].lineno} ({frames[-1].line})" if frames else ""
