"""rdpass takes the shortcuts out of trained residual networks so that they run lean on ARM.

Names are loaded on first use: a board has numpy and the TVM runtime, neither torch nor a compiler.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# ONNX Runtime from 1.29 on tells its makers names and digests of the models that it is given, unless this says not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from rdpass import registry
    from rdpass.conversion import convert
    from rdpass.core.image_settings import ImageSettings
    from rdpass.core.plan import Cut, Plan, Region, Skipped, Traced
    from rdpass.core.processing import Processing
    from rdpass.core.tensor_spec import TensorSpec
    from rdpass.deploy.bundle.benchmark import Timing, bench
    from rdpass.deploy.bundle.building import Bundle, compile
    from rdpass.deploy.bundle.manifest import Manifest
    from rdpass.deploy.bundle.runner import Runner, load
    from rdpass.deploy.bundle.verification import verify
    from rdpass.distillation import distill
    from rdpass.evaluation import Evaluated, Evaluation, evaluate
    from rdpass.fitting.record import Fit
    from rdpass.fitting.search import fit
    from rdpass.inspection import inspect
    from rdpass.profiling.layers import Layer, Profile, profile
    from rdpass.quantization import Quantization, quantize
    from rdpass.runs.folder import load_run
    from rdpass.runs.grouping import Output
    from rdpass.runs.result import Conversion
    from rdpass.sources.image_loaders import image_loaders
    from rdpass.targets.target import ArmTarget, Target
    from rdpass.training.request import Budget, Data, Select
    from rdpass.tuning.report import Tuning
    from rdpass.tuning.tuner import tune

_HOME = {
    "ArmTarget": "targets.target",
    "Budget": "training.request",
    "Bundle": "deploy.bundle.building",
    "Conversion": "runs.result",
    "Cut": "core.plan",
    "Data": "training.request",
    "Evaluated": "evaluation",
    "Evaluation": "evaluation",
    "Fit": "fitting.record",
    "ImageSettings": "core.image_settings",
    "Layer": "profiling.layers",
    "Manifest": "deploy.bundle.manifest",
    "Output": "runs.grouping",
    "Plan": "core.plan",
    "Processing": "core.processing",
    "Profile": "profiling.layers",
    "Quantization": "quantization",
    "Region": "core.plan",
    "Runner": "deploy.bundle.runner",
    "Select": "training.request",
    "Skipped": "core.plan",
    "Target": "targets.target",
    "TensorSpec": "core.tensor_spec",
    "Timing": "deploy.bundle.benchmark",
    "Tuning": "tuning.report",
    "Traced": "core.plan",
    "bench": "deploy.bundle.benchmark",
    "compile": "deploy.bundle.building",
    "convert": "conversion",
    "distill": "distillation",
    "evaluate": "evaluation",
    "fit": "fitting.search",
    "image_loaders": "sources.image_loaders",
    "inspect": "inspection",
    "load": "deploy.bundle.runner",
    "load_run": "runs.folder",
    "profile": "profiling.layers",
    "quantize": "quantization",
    "tune": "tuning.tuner",
    "verify": "deploy.bundle.verification",
}

__all__ = [
    "ArmTarget",
    "Budget",
    "Bundle",
    "Conversion",
    "Cut",
    "Data",
    "Evaluated",
    "Evaluation",
    "Fit",
    "ImageSettings",
    "Layer",
    "Manifest",
    "Output",
    "Plan",
    "Processing",
    "Profile",
    "Quantization",
    "Region",
    "Runner",
    "Select",
    "Skipped",
    "Target",
    "TensorSpec",
    "Timing",
    "Traced",
    "Tuning",
    "__version__",
    "bench",
    "compile",
    "convert",
    "distill",
    "evaluate",
    "fit",
    "image_loaders",
    "inspect",
    "load",
    "load_run",
    "profile",
    "quantize",
    "registry",
    "tune",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "registry":
        return import_module("rdpass.registry")
    if name not in _HOME:
        raise AttributeError(f"module 'rdpass' has no attribute {name!r}")
    return getattr(import_module(f"rdpass.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, "registry"})
