"""The kernels, and the rules that pick one for a workload."""

from __future__ import annotations

from rdpass.kernels.rule import Kernel, KernelRule, Workload

RULES: tuple[KernelRule, ...] = ()
"""The rules that a build asks, in order. What none of them wants is lowered by TVM."""

__all__ = ["RULES", "Kernel", "KernelRule", "Workload"]
