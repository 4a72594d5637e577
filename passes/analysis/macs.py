"""Multiply-accumulates and weights of one node.

Convolutions (transposed ones too), linear layers, matrix products and attention are counted; what is elementwise,
pooled or normalised has none. ``fast`` counts the same layer by minimal filtering (Winograd; Lavin and Gray, 2015,
arXiv 1509.09308) where that applies, transforms not counted: 36 products for 16 outputs of a 3×3 layer by F(4×4, 3×3)
instead of 144. With stride 2, rows and columns of even and odd number are taken apart: F(4, 2) for two taps and 4
products for one make 9 × 9 for 16 outputs of a 3×3 layer, F(3, 4) makes 4 × 36 for 9 outputs of a 7×7 one, not 441.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

from torch import Tensor, nn
from torch.fx import GraphModule, Node

from rdpass.passes.graph.node_kinds import CONVOLUTIONS, TRANSPOSED, callee, kind_of, module_of, shape_of

# Products over those of the direct way, by kernel and stride of a dense layer.
FAST = {(3, 1): Fraction(36, 144), (3, 2): Fraction(81, 144), (7, 2): Fraction(144, 441)}


def layer_macs(module: nn.Module | None, shape: tuple[int, ...] | None) -> int:
    """Multiply-accumulates of one layer whose output has ``shape``; 0 for what has no weights."""
    if shape is None:
        return 0
    if isinstance(module, CONVOLUTIONS):
        return prod(shape) * (module.in_channels // module.groups) * prod(module.kernel_size)
    return prod(shape) * module.in_features if isinstance(module, nn.Linear) else 0


def macs_of_node(graph_module: GraphModule, node: Node) -> tuple[int, int]:
    """Multiply-accumulates as the layer is written, and by the fewest multiplications it is commonly computed with."""
    module, shape = module_of(graph_module, node), shape_of(node)
    direct = layer_macs(module, shape) or _other_macs(graph_module, node)
    return direct, int(direct * fast_share(module))


def fast_share(module: nn.Module | None) -> Fraction:
    """The part of a layer's products that minimal filtering leaves: 1 for all but dense convolutions of such forms."""
    if not isinstance(module, nn.Conv2d) or module.groups != 1 or tuple(module.dilation) != (1, 1):
        return Fraction(1)
    forms = set(zip(module.kernel_size, module.stride, strict=True))
    return FAST.get(forms.pop(), Fraction(1)) if len(forms) == 1 else Fraction(1)


def weight_bytes_of_node(graph_module: GraphModule, node: Node) -> int:
    """Bytes of the weights that a node reads; batch norms with statistics fold away, so that they count for nothing."""
    module = module_of(graph_module, node)
    if module is not None and kind_of(node) == "batch_norm":
        return 0
    if module is not None:
        return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    stored = (stored_tensor(graph_module, source) for source in node.all_input_nodes if source.op == "get_attr")
    return sum(tensor.numel() * tensor.element_size() for tensor in stored if isinstance(tensor, Tensor))


def stored_tensor(graph_module: GraphModule, node: Node) -> object:
    """The value that a ``get_attr`` node reads."""
    found: object = graph_module
    for part in str(node.target).split("."):
        found = getattr(found, part)
    return found


def _other_macs(graph_module: GraphModule, node: Node) -> int:
    module, shape = module_of(graph_module, node), shape_of(node)
    operands = [operand for operand in (*node.args, *node.kwargs.values()) if isinstance(operand, Node)]
    first, *others = [shape_of(operand) for operand in operands] or [None]
    if isinstance(module, TRANSPOSED) and first is not None:
        return int(prod(first) * (module.out_channels // module.groups) * prod(module.kernel_size))
    if isinstance(module, nn.MultiheadAttention) and first is not None:
        return _attention_layer(module, first)
    if node.op == "call_module" or first is None or not others or others[0] is None:
        return 0
    return _product_macs(callee(node), shape, first, others)


def _product_macs(
    name: str, shape: tuple[int, ...] | None, first: tuple[int, ...], others: list[tuple[int, ...] | None]
) -> int:
    weight = others[0]
    assert weight is not None
    if name in ("matmul", "bmm", "mm") and shape is not None:
        return prod(shape) * first[-1]
    if name == "scaled_dot_product_attention":
        value = others[1] if len(others) > 1 and others[1] is not None else weight
        return prod(first[:-1]) * weight[-2] * (first[-1] + value[-1])
    if name in ("conv1d", "conv2d", "conv3d", "linear") and shape is not None:  # weights computed in the graph
        return prod(shape) * prod(weight[1:])
    return 0


def _attention_layer(module: nn.MultiheadAttention, shape: tuple[int, ...]) -> int:
    """Self-attention on (N, L, E), (L, N, E) or (L, E): four projections, and two products of L × L per head."""
    first, second = shape[:2] if len(shape) == 3 else (shape[0], 1)
    batch, length = (first, second) if module.batch_first and len(shape) == 3 else (second, first)
    width = int(module.embed_dim)
    return batch * length * width * (4 * width + 2 * length)
