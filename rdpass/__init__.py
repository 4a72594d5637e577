"""rdpass takes the shortcuts out of trained residual networks so that they run lean on ARM.

Names are loaded on first use: a board has numpy and the TVM runtime, neither torch nor a compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rdpass.bundle.benchmark import Timing, bench
    from rdpass.bundle.building import Bundle, compile
    from rdpass.bundle.manifest import Manifest, TensorSpec
    from rdpass.bundle.runner import Runner, load
    from rdpass.bundle.verification import verify
    from rdpass.conversion import Conversion, convert
    from rdpass.distillation import distill
    from rdpass.inspection import inspect
    from rdpass.targets.lookup import ArmTarget
    from rdpass.tuning.report import Tuning
    from rdpass.tuning.tuner import tune
    from rdpass.types import Cut, Plan, Region, Skipped, Traced

_HOME = {
    "ArmTarget": "targets.arm_target",
    "Bundle": "bundle.building",
    "Conversion": "conversion",
    "Cut": "types",
    "Manifest": "bundle.manifest",
    "Plan": "types",
    "Region": "types",
    "Runner": "bundle.runner",
    "Skipped": "types",
    "TensorSpec": "bundle.manifest",
    "Timing": "bundle.benchmark",
    "Tuning": "tuning.report",
    "Traced": "types",
    "bench": "bundle.benchmark",
    "compile": "bundle.building",
    "convert": "conversion",
    "distill": "distillation",
    "inspect": "inspection",
    "load": "bundle.runner",
    "tune": "tuning.tuner",
    "verify": "bundle.verification",
}

__all__ = [
    "ArmTarget",
    "Bundle",
    "Conversion",
    "Cut",
    "Manifest",
    "Plan",
    "Region",
    "Runner",
    "Skipped",
    "TensorSpec",
    "Timing",
    "Traced",
    "Tuning",
    "__version__",
    "bench",
    "compile",
    "convert",
    "distill",
    "inspect",
    "load",
    "tune",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rdpass' has no attribute {name!r}")
    return getattr(import_module(f"rdpass.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
