"""The form a network is deployed in: no checks of its code left, padding inside convolutions, batch norms folded."""

from __future__ import annotations

from rdpass.passes.graph.absorb_padding import absorb_padding
from rdpass.passes.graph.drop_checks import drop_checks
from rdpass.passes.graph.fold_batch_norm import fold_batch_norm
from rdpass.passes.graph.pass_manager import Pass

FOLD_TOLERANCE = 1e-5
DEPLOY_FORM = (
    Pass("drop_checks", drop_checks, FOLD_TOLERANCE),
    Pass("absorb_padding", absorb_padding, FOLD_TOLERANCE),
    Pass("fold_batch_norm", fold_batch_norm, FOLD_TOLERANCE),
)
"""The stages that lead there, for ``run_passes``."""
