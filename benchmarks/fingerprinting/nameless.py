"""A library with its kernels numbered instead of named: if two are equal, names are all that told the named ones apart.

A kernel's name gets into the machine code's symbols and messages, and moves what lies behind it: one name changed
changes bytes everywhere. So the library is made once more, with the same tools and options, from the same network, in
which nothing but names of functions has been replaced, by numbers in the order in which the network calls them, which
does not depend on the names. Everything else is still in the bytes: code, weights, the plan of the memory, the
order of the calls. Equal digests prove equal libraries up to names.

1. For TVM's virtual machine the module that was compiled is written as JSON, where a name is a whole string, and read
   back with other names.
2. A C library is not made from a module: the whole build is repeated while TVM's ``BlockBuilder.add_func`` numbers
   what is added.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tvm
import tvm_ffi
from tvm import relax

from benchmarks.fingerprinting.watching import Seen


def calls_of(module: tvm.IRModule) -> Counter[str]:
    """The names of the functions that the network calls and how often, in the order of their first calls."""
    found: Counter[str] = Counter()

    def collect(node: Any) -> None:
        if isinstance(node, relax.Call) and isinstance(node.op, tvm.ir.GlobalVar):
            found[node.op.name_hint] += 1

    relax.analysis.post_order_visit(module["main"], collect)
    return found


def numbered(module: tvm.IRModule) -> tvm.IRModule:
    """``module`` with numbers for the names of its functions."""
    numbers = {name: f'"kernel_{index}"' for index, name in enumerate([*calls_of(module), *_uncalled(module)])}
    quoted = re.compile("|".join(f'"{re.escape(name)}"' for name in numbers))
    return tvm.ir.load_json(quoted.sub(lambda found: numbers[found[0][1:-1]], tvm.ir.save_json(module)))


def _uncalled(module: tvm.IRModule) -> list[str]:
    """Functions that a pass has made unnecessary and left there, in an order of what they do."""
    functions = {variable.name_hint: function for variable, function in module.functions_items()}
    rest = functions.keys() - calls_of(module).keys() - {"main"}
    return sorted(rest, key=lambda name: tvm_ffi.structural_hash(functions[name].body, map_free_vars=True))


def nameless_library(seen: Seen, path: Path) -> None:
    """Write into ``path`` the library that was ``seen`` to be built, without its kernels' names."""
    assert seen.module is not None
    tvm.compile(numbered(seen.module), **seen.compiled).export_library(path, **seen.linked)


@contextmanager
def kernels_numbered() -> Iterator[None]:
    """Builds within it get numbers for kernels' names."""
    add = relax.BlockBuilder.add_func
    numbers: dict[str, str] = {}

    def numbering(builder: Any, function: Any, name: str) -> Any:
        kernel = isinstance(function, tvm.tirx.PrimFunc)
        return add(builder, function, numbers.setdefault(name, f"kernel_{len(numbers)}") if kernel else name)

    with patch.object(relax.BlockBuilder, "add_func", numbering):
        yield
