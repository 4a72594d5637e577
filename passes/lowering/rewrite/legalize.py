"""Lower what no kernel of ours computes to functions of TVM's, except operators that only look at memory differently.

TVM would lower a reshape to a copy and find it again afterwards by the shape of the function, which fails on functions
that were not made of TE. Here a view stays one operator, ``relax.reshape``, and the virtual machine copies nothing.
"""

from __future__ import annotations

from typing import Any

from tvm import relax

from rdpass.passes.lowering.rewrite.corrected_norms import group_norm, layer_norm

_RESHAPE = "relax.reshape"
_OWN = {"relax.nn.layer_norm": layer_norm, "relax.nn.group_norm": group_norm}
_VIEWS = ("relax.flatten", "relax.squeeze", "relax.expand_dims")


def LegalizeOpsButViews() -> Any:  # passes are named as classes
    """Preserves every value."""
    return relax.transform.LegalizeOps({**{name: _as_reshape for name in _VIEWS}, **_OWN}, skip_ops=[_RESHAPE])


def _as_reshape(builder: relax.BlockBuilder, call: Any) -> Any:
    shape = call.ty.shape
    return call if shape is None else relax.op.reshape(call.args[0], shape)
