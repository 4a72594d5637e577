"""From an imported model to the C network: lowered to calls, its functions compiled, its arena planned."""

from __future__ import annotations

from dataclasses import dataclass

import tvm

from rdpass.ahead.arena import plan
from rdpass.ahead.functions import compile_functions
from rdpass.ahead.source import Network
from rdpass.lowering import calls_for
from rdpass.onnx_source import OnnxSource
from rdpass.passes.relax.fallbacks import Fallback, find_fallbacks
from rdpass.passes.relax.find_calls import find_calls
from rdpass.targets import ArmTarget


@dataclass(frozen=True)
class Built:
    """A network in C, and what of it no kernel of ours computes."""

    network: Network
    fallbacks: tuple[Fallback, ...]


def build_ahead(source: OnnxSource, module: tvm.IRModule, target: ArmTarget) -> Built:
    """``module``, which was imported from ``source`` and is left as it was, as C for ``target``.

    Raises:
        ConfigError: the network does what needs TVM's runtime; the message names it.
        TargetError: LLVM does not know the target's CPU.
    """
    lowered = calls_for(module, target)
    sequence = find_calls(lowered)
    functions = compile_functions(lowered, target)
    arena = plan(sequence, functions.lifted)
    network = Network(sequence, functions, arena, source.inputs, source.outputs, target)
    return Built(network, find_fallbacks(lowered))
