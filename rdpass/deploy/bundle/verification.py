"""``verify``: a bundle is byte for byte what was built, and its runner still gives the golden output."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rdpass.core.comparison import NumericGate, check_close
from rdpass.core.errors import IntegrityError
from rdpass.deploy.bundle.execution import execute
from rdpass.deploy.bundle.manifest import Manifest, open_sealed
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import find_launcher


def verify(folder: str | Path, *, tolerance: float | None = None) -> NumericGate:
    """Check every byte of a bundle, run it (emulated, if it is for another CPU) and compare with the golden output.

    Args:
        folder: the bundle.
        tolerance: largest difference allowed, relative to the output's largest magnitude; None for the bundle's own.

    Returns:
        The gate that was passed, with the error.

    Raises:
        IntegrityError: a file was changed, added or removed; nothing of the bundle has run then.
        TargetError: it is for another CPU and there is no emulator for that.
        DeviceError: the runner failed or crashed.
        ParityError: the output differs by more than the tolerance.

    Example:
        >>> import rdpass
        >>> gate = rdpass.verify("student.rdp")
        >>> gate.name, gate.tolerance, gate.error <= gate.tolerance
        ('bundle', 0.0001, True)
    """
    folder = Path(folder)
    manifest = open_sealed(folder)
    launcher = find_launcher(target_of(manifest))
    inputs, expected = ([np.load(folder / name) for name in manifest.golden[kind]] for kind in ("inputs", "outputs"))
    allowed = float(manifest.golden["tolerance"]) if tolerance is None else tolerance
    return check_close("bundle", execute(folder, manifest, launcher, inputs), expected, allowed)


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
