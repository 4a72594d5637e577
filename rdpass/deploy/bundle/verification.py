"""``verify``: a bundle is byte for byte what was built, and its runner still gives the golden output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from rdpass.core.comparison import Array, NumericGate, check_close, oracle_of
from rdpass.core.errors import IntegrityError, first_line
from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.bundle.execution import execute
from rdpass.deploy.bundle.manifest import Manifest, opened
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import find_launcher


def verify(folder: str | Path, *, tolerance: float | None = None, key: str | Path | None = None) -> NumericGate:
    """Check every byte of a bundle, run it (emulated, if it is for another CPU) and compare with the golden output.

    Args:
        folder: the bundle.
        tolerance: largest difference allowed, relative to the output's largest magnitude; None for the bundle's own.
        key: a public key (PEM), by whose private one the bundle has to be signed; None asks for no signature.

    Returns:
        The gate that was passed, with the error.

    Raises:
        ConfigError: the key can't be used.
        IntegrityError: a file was changed, added or removed, or the signature is not that of the key; nothing of the
            bundle has run then.
        TargetError: it is for another CPU and there is no emulator for that.
        DeviceError: the runner failed or crashed.
        ParityError: the output differs by more than the tolerance.

    Example:
        >>> import rdpass
        >>> gate = rdpass.verify("student.rdp")
        >>> gate.name, gate.tolerance, gate.error <= gate.tolerance
        ('bundle', 0.0001, True)
    """
    with opened(Path(folder), key=None if key is None else Path(key)) as (copy, manifest):
        launcher = find_launcher(target_of(manifest))
        inputs, expected = (read_golden(copy, manifest, kind) for kind in ("inputs", "outputs"))
        golden = manifest.golden
        allowed = float(golden["tolerance"]) if tolerance is None else tolerance
        outputs = execute(copy, manifest, launcher, inputs, allow_nonfinite=True)
        gate = check_close("bundle", outputs, expected, allowed, oracle=oracle_of(str(golden["source"])))
    is_users = tolerance is not None or golden.get("tolerance_by") == "user"
    return replace(gate, tolerance_by="user") if is_users else gate


def read_golden(folder: Path, manifest: Manifest, kind: Literal["inputs", "outputs"]) -> list[Array]:
    """The golden inputs or outputs of a bundle that was checked.

    Raises:
        IntegrityError: they are not what the network takes or gives.
    """
    specs: tuple[TensorSpec, ...] = getattr(manifest, kind)
    return [_golden(folder, name, spec) for name, spec in zip(manifest.golden[kind], specs, strict=True)]


def _golden(folder: Path, name: str, spec: TensorSpec) -> Array:
    try:
        array: Array = np.load(folder / name, mmap_mode="r", allow_pickle=False)
        if array.shape == spec.shape and array.dtype == spec.dtype:
            return np.array(array)
    except (OSError, ValueError, EOFError) as error:
        raise IntegrityError(f"{folder}: {name} is no .npy file ({first_line(error)})") from error
    raise IntegrityError(f"{folder}: {name} is not {spec.dtype} {spec.shape} as the manifest says")


def target_of(manifest: Manifest) -> Target:
    """The target that a bundle was built for.

    Raises:
        IntegrityError: the manifest does not describe one.
    """
    try:
        fields = {**manifest.target, "features": tuple(manifest.target["features"])}
        return Target(**fields)
    except (TypeError, KeyError) as error:
        raise IntegrityError("the manifest names no target that this version knows; build the bundle again") from error
