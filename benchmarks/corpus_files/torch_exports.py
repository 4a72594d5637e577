"""Small torch networks as torch's two exporters write them."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.corpus_files.file import File, Made, numbers_for


class Block(nn.Module):
    """A residual block, its shortcut by convolution where sizes change."""

    def __init__(self, channels: int, filters: int, stride: int = 1, act: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), act(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters),
        )  # fmt: skip
        same = channels == filters and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, filters, 1, stride)
        self.act = act()

    def forward(self, x: Tensor) -> Any:
        return self.act(self.body(x) + self.shortcut(x))


class Viewed(nn.Module):
    """Flattened by ``view`` with sizes of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.dense = nn.Conv2d(3, 6, 3, 2), nn.Linear(6 * 7 * 7, 5)

    def forward(self, x: Tensor) -> Any:
        y = F.relu(self.conv(x))
        return F.log_softmax(self.dense(y.view(y.size(0), -1)), dim=1)


class Enlarged(nn.Module):
    """Interpolated to the size of another map."""

    def __init__(self, mode: str, aligned: bool | None) -> None:
        super().__init__()
        self.down, self.up, self.mode, self.aligned = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 3, 1), mode, aligned

    def forward(self, x: Tensor) -> Any:
        y = F.interpolate(self.up(self.down(x)), size=x.shape[-2:], mode=self.mode, align_corners=self.aligned)
        return x + torch.tanh(y)


class Attention(nn.Module):
    """Tokens of an image, heads, layer norms."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
        self.place = nn.Parameter(torch.randn(1, 16, 16))
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Any:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.place
        return self.head(self.layer(tokens).mean(1))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.SiLU(), nn.Conv2d(4, 8, 1))

    def forward(self, x: Tensor) -> Any:
        y = F.hardswish(self.conv(x))
        return y * torch.sigmoid(self.gate(y)) + y


class Shuffled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, 2, 1)
        self.branch = nn.Conv2d(8, 8, 3, padding=1, groups=8)

    def forward(self, x: Tensor) -> Any:
        left, right = self.conv(x).chunk(2, dim=1)
        y = torch.cat((left, self.branch(right)), 1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w).mean([2, 3])


class Windows(nn.Module):
    """Rolled and cut into windows, as Swin has it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mix = nn.Conv2d(3, 8, 1), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Any:
        y = torch.roll(self.conv(x).permute(0, 2, 3, 1), (-2, -2), (1, 2))
        n, h, w, c = y.shape
        windows = y.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        mixed = self.mix(windows).view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return torch.roll(mixed, (2, 2), (1, 2)).permute(0, 3, 1, 2) + x.mean(1, keepdim=True)


class Pyramid(nn.Module):
    """Three scales, three results in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x: Tensor) -> Any:
        a = F.leaky_relu(self.a(x), 0.1)
        b = F.leaky_relu(self.b(a), 0.1)
        c = F.leaky_relu(self.c(b), 0.1)
        b = b + F.interpolate(c, scale_factor=2.0, mode="nearest")
        a = a + F.interpolate(b, scale_factor=2.0, mode="nearest")
        return {"fine": a, "middle": b, "coarse": c}


class Causal(nn.Module):
    """Convolutions over time that see the past alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(8, 8, 3, dilation=d) for d in (1, 2, 4))

    def forward(self, x: Tensor) -> Any:
        for layer, d in zip(self.layers, (1, 2, 4), strict=True):
            x = x + F.elu(layer(F.pad(x, (2 * d, 0))))
        return x[:, :, -1]


class Recurrent(nn.Module):
    """Lines of text: convolutions, then an LSTM both ways over the width."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU] = nn.LSTM, both: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, 2, 1)
        self.steps = kind(8, 6, bidirectional=both, batch_first=True)
        self.head = nn.Linear(6 * (1 + both), 5)

    def forward(self, x: Tensor) -> Any:
        y = F.relu(self.conv(x)).mean(2).transpose(1, 2)
        return self.head(self.steps(y)[0])


class Weighted(nn.Module):
    """Convolutions whose weights are standardised or tied."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3, padding=1))
        self.tied = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Any:
        y = F.relu(self.stem(x))
        weight = self.tied.weight
        weight = (weight - weight.mean((1, 2, 3), keepdim=True)) / (weight.std((1, 2, 3), keepdim=True) + 1e-5)
        return self.tied(y) + F.conv2d(y, weight, self.tied.bias, padding=1)


class Boxes(nn.Module):
    """A detector's end: grids, exponentials, boxes joined with scores."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, 4, 1)

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        n, _, h, w = y.shape
        y = y.view(n, 2, 6, h, w).permute(0, 1, 3, 4, 2).contiguous()
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        grid = torch.stack((columns, rows), 2).view(1, 1, h, w, 2).float()
        centre = (y[..., :2].sigmoid() + grid) * 4
        extent = y[..., 2:4].exp().clamp(max=100) * 8
        return torch.cat((centre - extent / 2, centre + extent / 2, y[..., 4:].sigmoid()), -1).view(n, -1, 6)


def _trunk(*layers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), *layers)


IMAGE = (1, 3, 16, 16)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int | None]] = {
    "resnet": (lambda: nn.Sequential(Block(3, 8), Block(8, 8), Block(8, 16, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                     nn.Linear(16, 5)), IMAGE, 3),
    "resnet, silu": (lambda: nn.Sequential(Block(3, 8, 1, nn.SiLU), Block(8, 8, 1, nn.SiLU)), IMAGE, 2),
    "resnet, mish": (lambda: nn.Sequential(Block(3, 8, 1, nn.Mish), Block(8, 8, 1, nn.Mish)), IMAGE, 2),
    "resnet, prelu": (lambda: nn.Sequential(Block(3, 8), Block(8, 8, 1, nn.PReLU)), IMAGE, 2),
    "viewed": (Viewed, IMAGE, 0),
    "enlarged, bilinear": (partial(Enlarged, "bilinear", False), IMAGE, None),
    "enlarged, aligned": (partial(Enlarged, "bilinear", True), IMAGE, None),
    "enlarged, bicubic": (partial(Enlarged, "bicubic", False), IMAGE, None),
    "enlarged, nearest": (partial(Enlarged, "nearest", None), IMAGE, None),
    "attention": (Attention, IMAGE, None),
    "gated": (Gated, IMAGE, None),
    "shuffled": (Shuffled, IMAGE, 0),
    "windows": (Windows, IMAGE, None),
    "pyramid": (Pyramid, IMAGE, None),
    "causal": (Causal, (1, 8, 20), 3),
    "lstm": (Recurrent, (1, 1, 8, 24), 0),
    "gru": (partial(Recurrent, nn.GRU, False), (1, 1, 8, 24), 0),
    "weighted": (Weighted, IMAGE, None),
    "boxes": (Boxes, IMAGE, 0),
    "norms": (_trunk(nn.GroupNorm(2, 8), nn.GELU(), nn.InstanceNorm2d(8, affine=True), nn.Hardsigmoid()), IMAGE, 0),
    "activations": (_trunk(nn.Hardtanh(-0.5, 2), nn.Softplus(), nn.ELU(), nn.LogSigmoid(), nn.Hardshrink(0.1),
                           nn.Softshrink(0.05), nn.Tanhshrink(), nn.CELU(), nn.SELU(), nn.GLU(1)), IMAGE, 0),
    "pools": (_trunk(nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 2, 1, count_include_pad=False),
                     nn.LPPool2d(2, 2)), IMAGE, 0),
    "paddings": (_trunk(nn.ReflectionPad2d(2), nn.Conv2d(8, 4, 3), nn.ReplicationPad2d((1, 0, 2, 1)),
                        nn.ConstantPad2d((1, 2, 0, 1), 0.5), nn.Conv2d(4, 4, 3)), IMAGE, 0),
    "pixel shuffle": (_trunk(nn.PixelShuffle(2), nn.Conv2d(2, 4, 3), nn.PixelUnshuffle(2)), IMAGE, 0),
    "transposed": (_trunk(nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 4, 3, 2, 1, 1, 2)),
                   IMAGE, 0),
}  # fmt: skip
"""By name: how one is made, its input, and its residual adds (None where nobody counts them)."""

RECURRENT = ("lstm", "gru")

WAYS: dict[str, dict[str, Any]] = {
    "torch.onnx": {"dynamo": False, "opset_version": 17},
    "torch.onnx, opset 11": {"dynamo": False, "opset_version": 11},
    "torch.onnx, batch open": {"dynamo": False, "opset_version": 13, "dynamic_axes": {"x": {0: "batch"}}},
    "torch.onnx, all open": {"dynamo": False, "opset_version": 16, "dynamic_axes": {"x": {0: "n", 2: "h", 3: "w"}}},
    "torch.onnx, unfolded": {"dynamo": False, "opset_version": 12, "do_constant_folding": False,
                             "keep_initializers_as_inputs": True},
    "dynamo": {"dynamo": True, "opset_version": 18},
    "dynamo, unoptimised": {"dynamo": True, "opset_version": 20, "optimize": False},
    "dynamo, batch open": {"dynamo": True, "opset_version": 18, "batch": True},
}  # fmt: skip
_FEWER = {"torch.onnx": 1, "torch.onnx, opset 11": 2, "torch.onnx, batch open": 2, "torch.onnx, all open": 2,
          "torch.onnx, unfolded": 2, "dynamo": 2, "dynamo, unoptimised": 4, "dynamo, batch open": 4}  # fmt: skip


def files() -> Iterator[File]:
    """Every network by torch's first exporter, every so manieth by its other ways."""
    for place, (way, more) in enumerate(WAYS.items()):
        names = [name for name in NETWORKS if name not in ("attention", "activations") or "11" not in way]
        for name in names[place % _FEWER[way] :: _FEWER[way]]:
            yield File(f"{way}/{name}", way, partial(_exported, name, dict(more)), name in RECURRENT)


def _exported(name: str, more: dict[str, Any]) -> Made:
    make, shape, shortcuts = NETWORKS[name]
    torch.manual_seed(0)
    network, x = make().eval(), torch.randn(shape)
    if more.pop("batch", False):
        more["dynamic_shapes"] = ({0: torch.export.Dim("batch", min=1, max=64)},)
        x = torch.cat([x, x])
    axes = {axis: label for axis, label in more.get("dynamic_axes", {}).get("x", {}).items() if axis < len(shape)}
    more = {**more, "dynamic_axes": {"x": axes}} if axes else more
    content = io.BytesIO()
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        logging.disable()
        exported = torch.onnx.export(network, (x,), None if more["dynamo"] else content, input_names=["x"], **more)  # type: ignore[arg-type]
        logging.disable(logging.NOTSET)
    model = exported.model_proto if exported is not None else onnx.load_from_string(content.getvalue())
    sizes = "x".join(map(str, shape)) if len(axes) > 1 else None
    feed = numbers_for(model, {"x": list(shape)})
    return Made(model, feed, sizes=sizes, shortcuts=shortcuts)
