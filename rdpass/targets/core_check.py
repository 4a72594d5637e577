"""Is a target one that can be built for: does LLVM know the core, and does code for it need what is listed?"""

from __future__ import annotations

import difflib
from functools import cache

import tvm
from tvm.target.codegen import llvm_get_cpu_archlist, llvm_get_cpu_features, llvm_is_valid_cpu

from rdpass.core.errors import TargetError
from rdpass.targets.cpu_words import USED_UNASKED
from rdpass.targets.lookup import Target


def check_core(target: Target) -> None:
    """Refuse a core that LLVM does not know, or a list of features that is not what code for that core may use.

    Raises:
        TargetError: which it is, with what would be right.
    """
    if not llvm_is_valid_cpu(target.cpu, target.triple):
        near = difflib.get_close_matches(target.cpu, _cores(target.triple), 5)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise TargetError(f"target {target.name}: LLVM knows no CPU {target.cpu!r} for {target.triple}{hint}")
    if target.architecture == "aarch64":
        _check_features(target)


def needed_features(cpu: str, triple: str) -> tuple[str, ...]:
    """Linux's words for what code built for an aarch64 ``cpu`` may use beyond the base architecture, sorted."""
    features = map(str, llvm_get_cpu_features(tvm.target.Target({"kind": "llvm", "mtriple": triple, "mcpu": cpu})))
    return tuple(sorted({word for feature in features for word in USED_UNASKED.get(feature, ())}))


def _check_features(target: Target) -> None:
    needed, listed = set(needed_features(target.cpu, target.triple)), set(target.features)
    if needed - listed:
        raise TargetError(
            f"target {target.name}: code for {target.cpu} may use {', '.join(sorted(needed - listed))}: add that to its"
            " features, or choose a core that does without (generic needs asimd alone)"
        )
    known = {word for words in USED_UNASKED.values() for word in words}
    if (listed & known) - needed:
        raise TargetError(
            f"target {target.name}: to LLVM {target.cpu} has no {', '.join(sorted((listed & known) - needed))}: take"
            " that out of its features, or choose the core that has it"
        )


@cache
def _cores(triple: str) -> tuple[str, ...]:
    return tuple(map(str, llvm_get_cpu_archlist(tvm.target.Target({"kind": "llvm", "mtriple": triple}))))
