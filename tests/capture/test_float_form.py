"""Networks of fewer bits are read in float32 and said so; integers are refused by name."""

import copy

import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

import rdpass
from rdpass.capture.float_form import check_floats, in_single
from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError
from rdpass.inspection import plan_of
from tests.models import seeded, small_resnet
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 9, 9)
HALVES = [torch.float16, torch.bfloat16]


class Quantisable(nn.Module):
    """A residual network as torch's eager mode wants it."""

    def __init__(self):
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, 1, 1))
        self.join = torch.ao.nn.quantized.FloatFunctional()
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        x = self.stem(self.quant(x))
        x = self.join.add_relu(x, self.body(x))
        return self.dequant(self.head(x.mean((2, 3))))


def qconfig(trained):
    choose = quantization.get_default_qat_qconfig if trained else quantization.get_default_qconfig
    return choose("qnnpack")


def qat(fused=False):
    model = seeded(Quantisable).train()
    if fused:
        quantization.fuse_modules_qat(model, [["stem.0", "stem.1", "stem.2"], ["body.0", "body.1"]], inplace=True)
    model.qconfig = qconfig(trained=True)
    quantization.prepare_qat(model, inplace=True)
    for _ in range(3):
        model(X)
    return model


def observed():
    model = seeded(Quantisable)
    model.qconfig = qconfig(trained=False)
    quantization.prepare(model, inplace=True)
    model(X)
    return model


def in_a_graph(trained):
    prepare = quantize_fx.prepare_qat_fx if trained else quantize_fx.prepare_fx
    mapping = quantization.QConfigMapping().set_global(qconfig(trained))
    model = prepare(seeded(small_resnet).train(trained), mapping, (X,))
    model(X)
    return model


PREPARED = {
    "QAT": qat,
    "QAT with fused layers": lambda: qat(fused=True),
    "observers": observed,
    "QAT in a graph": lambda: in_a_graph(True),
    "observers in a graph": lambda: in_a_graph(False),
}


@pytest.mark.parametrize("build", PREPARED.values(), ids=PREPARED)
def test_a_network_prepared_for_quantisation_is_read_as_floats_with_the_numbers_that_it_has_without(build, caplog):
    model = build()
    before = Untouched(model)
    traced = trace(model, X)
    before.check()
    regions = plan_of(traced).regions
    assert len(regions) > 0
    assert {region.verdict for region in regions} == {"removable"}
    assert "prepared for quantisation: read as the network of floats" in caplog.text
    assert "rdpass quantize" in caplog.text
    quiet = copy.deepcopy(model).eval().apply(quantization.disable_fake_quant).apply(quantization.disable_observer)
    assert error_between(traced.module, quiet, X) <= 1e-5
    called = {type(traced.module.get_submodule(n.target)) for n in traced.module.graph.nodes if n.op == "call_module"}
    assert all(kind.__module__.startswith("torch.nn.modules") for kind in called)


def converted(build):
    return quantization.convert(build().eval())


INTEGERS = {
    "converted": (lambda: converted(observed), r"quant is a torch\.ao\.nn\.quantized\.modules\.Quantize"),
    "converted from QAT": (lambda: converted(qat), "quant is a torch"),
    "converted in a graph": (lambda: quantize_fx.convert_fx(in_a_graph(False)), "torch.ao.nn|quantize_per_tensor"),
    "a script": (lambda: torch.jit.script(converted(observed)), "it calls aten::quantize_per_tensor"),
    "a script in a part": (
        lambda: nn.Sequential(torch.jit.script(converted(observed))),
        "0 calls aten::quantize_per_tensor",
    ),
    "dynamic": (
        lambda: quantization.quantize_dynamic(seeded(small_resnet), {nn.Linear}),
        r"is a torch\.ao\.nn\.quantized\.dynamic\.modules\.linear\.Linear",
    ),
}


@pytest.mark.parametrize("call", [rdpass.inspect, rdpass.convert], ids=["inspect", "convert"])
@pytest.mark.parametrize(("build", "where"), INTEGERS.values(), ids=INTEGERS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_network_of_integers_is_refused_with_the_place_and_what_to_do(build, where, call):
    model = build()
    with pytest.raises(ConfigError, match=f"is quantised \\(.*({where}).*float network.*rdpass quantize"):
        call(model, X)


def test_a_tensor_of_integers_is_found_wherever_it_lies():
    model = seeded(small_resnet)
    model[1].register_buffer("levels", torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8))
    with pytest.raises(ConfigError, match=r"1\.levels is qint8"):
        check_floats(model)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda weight: weight.to("meta"), r"0\.weight has no numbers \(device meta\).*load"),
        (lambda weight: weight.to_sparse(), r"0\.weight is sparse.*to_dense"),
    ],
    ids=["never loaded", "sparse"],
)
def test_weights_that_nothing_computes_with_are_refused_by_name(spoil, said):
    model = nn.Sequential(nn.Linear(3, 2))
    model[0].weight = nn.Parameter(spoil(model[0].weight.detach()))
    with pytest.raises(ConfigError, match=said):
        rdpass.inspect(model, torch.randn(1, 3))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("given", [torch.float32, torch.float16])
def test_a_model_in_half_precision_is_read_in_float32_whatever_the_example_is(dtype, given, caplog):
    model = seeded(small_resnet).to(dtype)
    before = Untouched(model)
    conversion = rdpass.convert(model, X.to(given), recipe="carry", max_macs=9)
    before.check()
    assert len(conversion.removed) == 3
    assert f"is in {str(dtype).removeprefix('torch.')}: computed in float32" in caplog.text
    wide = copy.deepcopy(model).float()
    assert error_between(conversion.student, wide, X) <= 1e-5
    assert conversion.example[0].dtype is torch.float32


def test_a_model_of_both_kinds_is_widened_with_what_it_shares_and_keeps_its_integers():
    model = seeded(small_resnet)
    model[0].half()
    model[1].bfloat16()
    model.tied = model[0][0]
    widened, notes = in_single(model.eval())
    assert widened is model
    assert notes == ("Sequential is in bfloat16 and float16: computed in float32, which is the more exact",)
    assert model.tied is model[0][0]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {b.dtype for b in model.buffers()} == {torch.float32, torch.int64}


def test_a_float32_model_is_left_alone_and_nothing_is_said():
    model = seeded(small_resnet)
    before = Untouched(model)
    assert in_single(model) == (model, ())
    before.check()


@pytest.mark.parametrize("given", [torch.float32, torch.float64, torch.float16])
def test_a_model_in_float64_is_read_in_it(given):
    traced = trace(seeded(small_resnet).double(), X.to(given))
    assert {p.dtype for p in traced.module.parameters()} == {torch.float64}
    assert traced.example[0].dtype is torch.float64


def test_a_model_that_narrows_inside_is_refused_with_the_types():
    class Narrowing(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small_resnet()

        def forward(self, x):
            return self.net(x.half())

    with pytest.raises(ConfigError, match=r"input of shape 2x3x9x9:float32: .*Half"):
        trace(seeded(Narrowing).half(), X)


def test_complex_weights_inside_a_real_network_are_read():
    class Spectral(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.weight = nn.Parameter(torch.randn(3, 8, 5, dtype=torch.complex64))

        def forward(self, x):
            x = x + self.conv(x)
            return torch.fft.irfft2(torch.fft.rfft2(x) * self.weight, s=(8, 8))

    assert len(rdpass.inspect(Spectral().eval(), torch.randn(1, 3, 8, 8)).regions) == 1
