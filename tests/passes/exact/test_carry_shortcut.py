import copy

import pytest
import torch
from hypothesis import assume, given, reject, settings
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.core.comparison import relative_error
from rdpass.core.errors import NothingToConvert
from rdpass.passes.graph.layers import ChannelClamp
from rdpass.passes.graph.node_kinds import kind_of
from rdpass.recipes.pricing import price
from tests.causal import FORMS, CutOff, causal_network
from tests.models import (
    Residual,
    SqueezeExcite,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
    small_resnet,
)
from tests.passes.exact.exact_cases import COVERED, REFUSED, iresnet_block, near_identity
from tests.strategies import blocks, exact_blocks
from tests.support import Untouched, error_between

EXACT = {torch.float32: 1e-5, torch.float64: 1e-10}


def carried(model, *shape, dtype=torch.float32, **options):
    return rdpass.convert(model.to(dtype), torch.randn(shape, dtype=dtype), recipe="carry", max_macs=100, **options)


def adds(student):
    return [node for node in student.graph.nodes if kind_of(node) == "add"]


def hows(conversion):
    return [outcome.how for outcome in conversion.outcomes]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("block", "channels"),
    [
        (lambda: basic_block(4, 4), 4),
        (lambda: basic_block(4, 6, stride=2), 6),
        (lambda: bottleneck(8, 4), 8),
        (lambda: bottleneck(4, 4, out=6, stride=2), 6),
        (lambda: bottleneck(8, 4, groups=2), 8),
        (lambda: inverted_residual(4, 9), 4),
        (lambda: inverted_residual(4, 9, kernel=5), 4),
        (lambda: Residual(nn.Sequential(*conv_bn(4, 4), nn.PReLU(4), *conv_bn(4, 4))), 4),
        (lambda: Residual(nn.Sequential(*conv_bn(4, 4), nn.PReLU(), *conv_bn(4, 4))), 4),
        (lambda: Residual(nn.Sequential(*conv_bn(4, 4), nn.LeakyReLU(0.2), *conv_bn(4, 4))), 4),
        (lambda: Residual(nn.Sequential(*conv_bn(4, 8, groups=4), nn.ReLU6(), *conv_bn(8, 4))), 4),
        (lambda: Residual(nn.Sequential(nn.Conv2d(4, 6, 3, 1, 2, dilation=2), nn.ReLU(), nn.Conv2d(6, 4, 1))), 4),
        (lambda: Residual(nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1))), 4),
        (lambda: Residual(nn.Sequential(nn.Conv2d(4, 4, 3, padding="same"), nn.ReLU(), nn.Conv2d(4, 4, 1))), 4),
    ],
)
def test_a_carried_block_equals_the_residual_one(block, channels, dtype):
    model = seeded(lambda: classifier(block(), channels=channels))
    before = Untouched(model.to(dtype))
    conversion = carried(model, 3, 3, 9, 7, dtype=dtype)
    assert hows(conversion) == ["carried"]
    assert not adds(conversion.student)
    for batch in (1, 2, 5):
        assert error_between(conversion.student, model, torch.randn(batch, 3, 9, 7, dtype=dtype)) <= EXACT[dtype]
    before.check()


def test_large_activations_pass_a_relu6_unclipped():
    model = seeded(lambda: classifier(inverted_residual(4, 8), channels=4))
    conversion = carried(model, 1, 3, 8, 8)
    x = 100 * torch.randn(2, 3, 8, 8)
    assert error_between(conversion.student, model, x) <= 1e-5
    clamps = [module for module in conversion.student.modules() if isinstance(module, ChannelClamp)]
    assert len(clamps) == 2
    assert int(torch.isinf(clamps[0].upper).sum()) == 4


def test_a_relu_stays_a_relu_where_the_fork_is_never_negative():
    conversion = carried(seeded(small_resnet), 1, 3, 9, 9)
    assert not any(isinstance(module, ChannelClamp) for module in conversion.student.modules())


def test_an_identity_round_one_convolution_merges_at_no_cost():
    conversion = carried(seeded(lambda: classifier(Residual(conv_bn(4, 4)), channels=4)), 1, 3, 8, 8)
    assert hows(conversion) == ["merged"]
    assert conversion.cost.macs == conversion.plan.forecast.model.macs


def test_a_depthwise_convolution_merges_with_its_identity():
    model = seeded(lambda: classifier(Residual(conv_bn(4, 4, groups=4)), channels=4))
    conversion = carried(model, 1, 3, 8, 8)
    assert hows(conversion) == ["merged"]
    assert error_between(conversion.student, model, torch.randn(2, 3, 8, 8)) <= 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", COVERED)
def test_blocks_of_every_family_go_exactly(name, dtype):
    block, channels = COVERED[name]
    model = seeded(lambda: classifier(block(), channels=channels)).to(dtype)
    before = Untouched(model)
    conversion = carried(model, 3, 3, 8, 10, dtype=dtype)
    assert hows(conversion) in (["carried"], ["merged"])
    assert not adds(conversion.student)
    for batch in (1, 2, 5):
        x = 3 * torch.randn(batch, 3, 8, 10, dtype=dtype)
        assert error_between(conversion.student, model, x) <= EXACT[dtype]
    before.check()


@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("form", FORMS)
def test_causal_blocks_go_exactly_and_stay_causal(form, groups):
    model = seeded(lambda: causal_network(form, groups)).double()
    before = Untouched(model)
    conversion = carried(model, 1, 3, 33, dtype=torch.float64)
    before.check()
    assert hows(conversion) == ["carried"] * 3
    assert not adds(conversion.student)
    assert not [node for node in conversion.student.graph.nodes if kind_of(node) in ("pad", "slice")]
    for length in (9, 33, 50):
        x = torch.randn(2, 3, length, dtype=torch.float64)
        assert error_between(conversion.student, model, x) <= 1e-10
    later = x.clone()
    later[..., 30:] = 7
    with torch.no_grad():
        assert torch.equal(conversion.student(later)[..., :30], conversion.student(x)[..., :30])


def test_the_price_of_a_causal_block_is_known_beforehand():
    model = seeded(lambda: causal_network(CutOff))
    plan = rdpass.inspect(model, torch.randn(1, 3, 33))
    prices = price(trace(model, torch.randn(1, 3, 33)), plan.regions)
    conversion = carried(model, 1, 3, 33)
    assert [prices[outcome.add].reason for outcome in conversion.outcomes] == [o.reason for o in conversion.outcomes]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_covered_is_kept_with_its_reason(name):
    block, size, channels, reason = REFUSED[name]
    model = seeded(lambda: classifier(block(), channels=channels))
    conversion = carried(model, 1, 3, size, size, only=("*",))
    assert hows(conversion) == ["kept"]
    assert reason in conversion.outcomes[0].reason
    assert error_between(conversion.student, model, torch.randn(2, 3, size, size)) <= 1e-5


def test_a_batch_norm_without_running_statistics_is_not_linear():
    block = Residual(nn.Sequential(conv_bn(4, 4), nn.ReLU(), nn.BatchNorm2d(4), conv_bn(4, 4)))
    model = seeded(lambda: classifier(block, channels=4))
    block.body[2].running_mean = block.body[2].running_var = None
    with pytest.raises(NothingToConvert, match="BatchNorm without running statistics in the body"):
        carried(model, 2, 3, 8, 8)
    conversion = carried(model, 2, 3, 8, 8, only=["*"])
    assert hows(conversion) == ["kept"]
    assert "by its own statistics" in conversion.outcomes[0].reason


def test_a_batch_norm_alone_before_the_first_convolution_is_taken_back_where_that_is_sound():
    model = near_identity(seeded(lambda: classifier(iresnet_block(4), channels=4)))
    conversion = carried(model, 1, 3, 8, 8)
    assert hows(conversion) == ["carried"]
    assert not any(name.endswith("_entry") for name, _ in conversion.student.named_modules())
    assert error_between(conversion.student, model, torch.randn(2, 3, 8, 8)) <= 1e-5


def test_a_channel_that_a_batch_norm_has_switched_off_is_carried_on_a_copy():
    model = near_identity(seeded(lambda: classifier(iresnet_block(4), channels=4)))
    next(m for m in model[1].modules() if isinstance(m, nn.BatchNorm2d)).weight.data[1] = 0
    conversion = carried(model, 1, 3, 8, 8)
    assert any(name.endswith("_entry") for name, _ in conversion.student.named_modules())
    assert error_between(conversion.student, model, torch.randn(2, 3, 8, 8)) <= 1e-5


def test_a_bottleneck_is_carried_in_groups_beside_its_dense_convolution():
    model = seeded(lambda: classifier(bottleneck(8, 4), channels=8))
    student = carried(model, 1, 3, 8, 8).student
    middle = next(m for m in student.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3) and m.groups > 1)
    assert (middle.in_channels, middle.out_channels, middle.groups) == (12, 12, 3)


def test_a_gate_is_one_to_the_last_bit_on_carried_channels():
    model = seeded(
        lambda: classifier(
            Residual(nn.Sequential(*conv_bn(4, 6), nn.ReLU(), SqueezeExcite(6), *conv_bn(6, 4))), channels=4
        )
    )
    student = carried(model.double(), 1, 3, 8, 8, dtype=torch.float64).student
    seen = []
    gates = [m for m in student.modules() if isinstance(m, nn.Sigmoid)]
    assert len(gates) == 1
    gates[0].register_forward_hook(lambda module, inputs, output: seen.append(output))
    student(torch.randn(2, 3, 8, 8, dtype=torch.float64))
    assert int((seen[0] == 1).sum()) == 2 * 4


def test_the_budget_keeps_the_dearest_shortcuts_and_says_what_they_would_cost():
    model = seeded(small_resnet)
    free = rdpass.convert(model, torch.randn(1, 3, 9, 9), recipe="carry", max_macs=100)
    tight = rdpass.convert(model, torch.randn(1, 3, 9, 9), recipe="carry", max_macs=1.3)
    assert len(free.removed) == 3
    assert 0 < len(tight.removed) < 3
    assert tight.cost.macs <= 1.3 * tight.plan.forecast.model.macs < free.cost.macs
    assert all("MACs" in outcome.reason for outcome in tight.outcomes if outcome.how == "kept")
    assert error_between(tight.student, model, torch.randn(2, 3, 9, 9)) <= 1e-5


def test_skipping_everything_leaves_nothing_to_convert():
    with pytest.raises(rdpass.core.errors.NothingToConvert):
        carried(seeded(small_resnet), 1, 3, 9, 9, skip=("*",))


@settings(max_examples=30, deadline=None)
@given(blocks())
def test_any_chain_of_convolutions_is_carried_exactly(case):
    block, sizes, seed = case
    model = seeded(lambda: block, seed).double()
    conversion = rdpass.convert(model, torch.randn(sizes, dtype=torch.float64), recipe="carry", max_macs=1e9)
    assert hows(conversion) in (["carried"], ["merged"])
    x = 3 * torch.randn(2, *sizes[1:], dtype=torch.float64)
    assert error_between(conversion.student, model, x) <= 1e-10


@settings(max_examples=30, deadline=None)
@given(exact_blocks())
def test_a_block_of_any_make_goes_exactly_in_double_precision(case):
    block, sizes, seed = case
    model = seeded(lambda: block, seed).double()
    conversion = removed_somehow(model, sizes)
    for batch in (1, 4):
        x = 3 * torch.randn(batch, *sizes[1:], dtype=torch.float64)
        assert error_between(conversion.student, model, x) <= 1e-10


@settings(max_examples=30, deadline=None)
@given(exact_blocks())
def test_a_block_of_any_make_goes_exactly_in_single_precision(case):
    block, sizes, seed = case
    model = seeded(lambda: block, seed)
    reference = copy.deepcopy(model).double()
    x = 3 * torch.randn(4, *sizes[1:])
    with torch.no_grad():
        rounding = relative_error(model(x).numpy(), reference(x.double()).numpy())
    assume(rounding <= 5e-7)  # where the model's own sums cancel, nobody's rounding is below 1e-5
    try:
        conversion = removed_somehow(model, sizes)
    except rdpass.core.errors.ParityError:
        reject()  # the same, on the example
    assert error_between(conversion.student, model, x) <= 1e-5


def removed_somehow(model, sizes):
    dtype = next(model.parameters()).dtype
    try:
        conversion = rdpass.convert(model, torch.randn(sizes, dtype=dtype), recipe="carry", max_macs=1e9, only=("*",))
    except rdpass.core.errors.NothingToConvert:
        reject()
    assert hows(conversion) in (["carried"], ["merged"]), conversion.outcomes
    return conversion


@settings(max_examples=30, deadline=None)
@given(exact_blocks(messy=True))
def test_whatever_goes_or_stays_the_numbers_stay(case):
    block, sizes, seed = case
    model = seeded(lambda: block, seed).double()
    example = torch.randn(sizes, dtype=torch.float64)
    try:
        model(example)
        conversion = rdpass.convert(model, example, recipe="carry", max_macs=1e9)
    except (RuntimeError, rdpass.core.errors.NothingToConvert):
        reject()
    assert all(outcome.reason for outcome in conversion.outcomes)
    assert error_between(conversion.student, model, 3 * torch.randn_like(example)) <= 1e-10
