"""Write the C sources: the calls, the header, the weights, and an example program.

With another prefix than the usual one (``names``) the header is called by that.

rdpass_model.h   what a program includes          weights.bin   every constant, at multiples of 64 bytes
model.c          the calls, one after another     weights.s     puts weights.bin into read-only data
example.c        such a program
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.aot.arena import Arena
from rdpass.deploy.aot.functions import LAUNCH, REGISTER
from rdpass.deploy.aot.names import PREFIX, header_of, named
from rdpass.deploy.aot.network import HEADER_BYTES, Network
from rdpass.deploy.bundle.c_literals import c_string
from rdpass.passes.lowering.memory.arena import ALIGNMENT
from rdpass.passes.lowering.read.find_calls import Copy, Place

EXAMPLE = "example.c"
SOURCES = {"model.c": "c", "weights.s": "assembler"}
"""What is compiled, and the language of each."""

_TEMPLATES = Path(__file__).with_name("templates")

_WEIGHTS = """\
  .section .rodata, "a"
  .hidden rdpass_weights
  .globl rdpass_weights
  .balign 64
rdpass_weights:
  .incbin "weights.bin"
  .type rdpass_weights, %object
  .size rdpass_weights, . - rdpass_weights
  .section .note.GNU-stack, "", %progbits
"""


def write_source(folder: Path, network: Network) -> None:
    """Write the files above."""
    places = weight_offsets(network.sequence.constants)
    values = _values(network, places)
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: named((_TEMPLATES / name).read_text(), network.prefix)),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    for name in (header_of(PREFIX), EXAMPLE, "model.c"):
        text = environment.get_template(f"{name}.j2").render(values)
        (folder / named(name, network.prefix)).write_text(text)
    (folder / "weights.s").write_text(_WEIGHTS)
    with (folder / "weights.bin").open("wb") as file:
        for array, place in zip(network.sequence.constants, places, strict=True):
            file.write(bytes(place - file.tell()))
            file.write(np.ascontiguousarray(array).tobytes())


def weight_offsets(constants: Sequence[Array]) -> tuple[int, ...]:
    """Offsets of the constants: at whole lines of cache, one after another."""
    offsets, end = [], 0
    for array in constants:
        offsets.append(-(-end // ALIGNMENT) * ALIGNMENT)
        end = offsets[-1] + array.nbytes
    return tuple(offsets)


def _values(network: Network, weights: Sequence[int]) -> dict[str, Any]:
    target = network.target
    return {
        "target": f"{target.name} ({target.cpu}, {target.triple})",
        "features": " ".join(target.features) or "the base architecture",
        "cores": target.cores,
        "arena_bytes": network.arena_bytes,
        "header_bytes": HEADER_BYTES,
        "alignment": ALIGNMENT,
        "launch": LAUNCH,
        "register": REGISTER,
        "inputs": [_tensor("input", index, spec) for index, spec in enumerate(network.inputs)],
        "outputs": [_tensor("output", index, spec) for index, spec in enumerate(network.outputs)],
        "processing": network.processing,
        "functions": list(_prototypes(network)),
        "calls": list(_calls(network, weights)),
        "steps": len(network.plan.calls),
        "copies": [_copy(copy, network, weights) for copy in network.sequence.copies],
    }


def _tensor(kind: str, index: int, spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": c_string(spec.name),
        "dtype": spec.dtype,
        "rank": len(spec.shape),
        "shape": ", ".join(map(str, spec.shape)),
        "extents": " x ".join(map(str, spec.shape)) or "one number",
        "pointer": f"{kind}_{index}_shape" if spec.shape else "NULL",
        "bytes": spec.bytes,
    }


def _prototypes(network: Network) -> Iterator[dict[str, str]]:
    called = {call.function: len(call.operands) for call in network.sequence.calls}
    for name in sorted(called):
        count = called[name] + len(network.functions.lifted[name])
        yield {"symbol": network.functions.symbols[name], "parameters": ", ".join(["void *"] * count)}


def _calls(network: Network, weights: Sequence[int]) -> Iterator[str]:
    for call, lifted in zip(network.sequence.calls, network.arena.lifted, strict=True):
        operands = [_operand(place, network.arena, weights) for place in call.operands]
        operands += [f"ARENA({offset})" for offset in lifted]
        yield f"{network.functions.symbols[call.function]}({', '.join(operands)})"


def _copy(copy: Copy, network: Network, weights: Sequence[int]) -> str:
    source, destination = (_operand(place, network.arena, weights) for place in (copy.source, copy.destination))
    return f"{destination}, {source}, {copy.bytes}"


def _operand(place: Place, arena: Arena, weights: Sequence[int]) -> str:
    match place.kind:
        case "map":
            return f"ARENA({arena.maps[place.index] + place.offset})"
        case "constant":
            return f"WEIGHTS({weights[place.index]})"
        case _:
            return f"{place.kind.upper()}({place.index})"
