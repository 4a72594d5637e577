"""Prefixes of a C library's names, so that several libraries fit in one program.

``PREFIX`` unless the user wants another: of its functions and types, in capitals of its macros, and of its files.
"""

from __future__ import annotations

import re

from rdpass.core.errors import ConfigError

PREFIX = "rdpass_model"
PUBLIC = ("arena_bytes", "init", "use_threads", "run", "step", "inputs", "outputs")
"""What the header declares and a program links to, behind the prefix."""

_MACROS = ("ALIGNMENT", "OK", "STEPS")
_TYPES = ("", "_launcher")
_NAME = re.compile(r"(?!rdpass|.*__)[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_TAKEN = {
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch",
    "char", "class", "compl", "concept", "const", "consteval", "constexpr", "constinit", "const_cast", "continue",
    "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit", "export",
    "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace",
    "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public",
    "register", "reinterpret_cast", "requires", "restrict", "return", "short", "signed", "sizeof", "static",
    "static_assert", "static_cast", "struct", "switch", "template", "this", "thread_local", "throw", "true",
    "try", "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void", "volatile",
    "wchar_t", "while", "xor", "xor_eq", "main",
}  # fmt: skip
"""Words of C and C++, and a name that every program has."""


def check_prefix(prefix: str) -> None:
    """
    Raises:
        ConfigError: C or C++ does not take it as a name, or the library has such names already.
    """
    if prefix != PREFIX and (not _NAME.fullmatch(prefix) or prefix in _TAKEN):
        raise ConfigError(
            f"{prefix!r} is no prefix for names in C and C++: letters, digits and single underscores, a letter first,"
            " at most 64, no word of these languages, and not `rdpass` in front"
        )


def named(text: str, prefix: str) -> str:
    """``text``, in which names begin with ``PREFIX``, with ``prefix`` in its place."""
    return text.replace(PREFIX, prefix).replace(PREFIX.upper(), prefix.upper())


def header_of(prefix: str) -> str:
    return f"{prefix}.h"


def library_of(prefix: str) -> str:
    return f"lib{prefix}.a"


def usual_names(prefix: str) -> str:
    """A header that gives what the runner calls of a library its usual names."""
    names = [f"{PREFIX}{kind}" for kind in _TYPES] + [f"{PREFIX}_{name}" for name in PUBLIC]
    names += [f"{PREFIX.upper()}_{name}" for name in _MACROS]
    lines = "".join(f"#define {name} {named(name, prefix)}\n" for name in names)
    return f'#include "{header_of(prefix)}"\n{lines}'
