"""Pairs of 1x1 convolutions: found by dataflow on graphs as people write them, and refused with a reason."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.distill.find_pairs import find_pairs
from rdpass.passes.distill.merge_pairs import plain_form
from tests.models import PreActivation, basic_block, bottleneck, classifier, inverted_residual, seeded
from tests.support import Untouched

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def merging_of(model):
    traced = trace(model.eval(), X)
    before = Untouched(traced.module)
    found = find_pairs(traced.module)
    before.check()
    return found


class Between(nn.Module):
    """A 1x1 convolution up from 3 channels to 16, ``middle``, and one down to 4."""

    def __init__(self, *middle, first=None, second=None):
        super().__init__()
        self.first = first or nn.Conv2d(3, 16, 1)
        self.middle = nn.Sequential(*middle)
        self.second = second or nn.Conv2d(16, 4, 1)

    def forward(self, x):
        return self.second(self.middle(self.first(x)))


BETWEEN = {
    "relu": (nn.ReLU(),),
    "gelu": (nn.GELU(),),
    "a slope a channel": (nn.PReLU(16),),
    "norm before": (nn.BatchNorm2d(16), nn.Hardswish()),
    "norm behind": (nn.ReLU6(), nn.BatchNorm2d(16)),
    "dropout": (nn.Dropout(0.5), nn.ReLU(inplace=True), nn.Identity(), nn.Dropout2d(0.1)),
}


@pytest.mark.parametrize("middle", BETWEEN.values(), ids=list(BETWEEN))
def test_a_pair_is_found_whatever_the_activation_and_what_is_linear_beside_it(middle):
    (pair,) = merging_of(Between(*middle)).pairs
    assert (pair.first, pair.second) == ("first", "second")
    assert (pair.macs, pair.merged_macs) == (2 * 64 * 16 * (3 + 4), 2 * 64 * 3 * 4)


def test_a_function_is_an_activation_too():
    class Called(Between):
        def forward(self, x):
            return self.second(torch.selu(self.first(x)))

    assert [pair.activation for pair in merging_of(Called()).pairs] == ["selu"]


NONE = {
    "no activation": Between(),
    "two activations": Between(nn.ReLU(), nn.Tanh()),
    "a kernel of three": Between(nn.ReLU(), second=nn.Conv2d(16, 4, 3, padding=1)),
    "a pool": Between(nn.ReLU(), nn.AvgPool2d(2)),
    "a depthwise layer": Between(nn.ReLU(), nn.Conv2d(16, 16, 1, groups=16), nn.ReLU()),
    "normalised by its own statistics": Between(nn.ReLU(), nn.InstanceNorm2d(16)),
    "softmax over channels": Between(nn.Softmax2d()),
}


@pytest.mark.parametrize("model", NONE.values(), ids=list(NONE))
def test_what_is_no_pair_of_layers_is_none(model):
    assert merging_of(model).pairs == ()


class TwoReaders(Between):
    def forward(self, x):
        wide = self.first(x)
        return self.second(wide.relu()), wide.mean()


class ReadBehind(Between):
    def forward(self, x):
        wide = self.first(x).relu()
        return self.second(wide), wide


class ReadForItsSize(Between):
    def forward(self, x):
        wide = self.first(x)
        return self.second(wide.relu()).reshape(wide.size(0), -1)


class ScaledByTheInput(Between):
    def forward(self, x):
        wide, zeros = self.first(x).relu(), torch.zeros(16)
        return self.second(nn.functional.batch_norm(wide, zeros, zeros + 1, x.mean() + zeros))


REFUSED = {
    "a norm that the input scales": (ScaledByTheInput(), "batch_norm computes its scales in the graph"),
    "groups": (Between(nn.ReLU(), first=nn.Conv2d(3, 15, 1, groups=3), second=nn.Conv2d(15, 4, 1)), "first has groups"),
    "padding": (Between(nn.ReLU(), second=nn.Conv2d(16, 4, 1, padding=1)), "second has groups, or pads"),
    "read before": (TwoReaders(), "first is read by 2 nodes"),
    "read behind": (ReadBehind(), "relu is read by 2 nodes"),
    "read for its size": (ReadForItsSize(), "first is read by 2 nodes"),
    "dearer": (
        Between(nn.ReLU(), first=nn.Conv2d(3, 1, 1), second=nn.Conv2d(1, 4, 1)),
        "one convolution would take 1536 multiply-accumulates, the two take 896",
    ),
}


@pytest.mark.parametrize(("model", "said"), REFUSED.values(), ids=list(REFUSED))
def test_a_pair_that_can_not_merge_is_data_with_the_reason(model, said):
    found = merging_of(model)
    assert found.pairs == ()
    (skipped,) = found.skipped
    assert said in skipped.reason


def test_one_image_without_a_batch_is_refused_and_not_counted_wrong():
    found = find_pairs(trace(Between(nn.ReLU()).eval(), X[0]).module)
    assert found.pairs == ()
    assert "gives no batch of maps" in found.skipped[0].reason


def test_an_activation_that_is_the_output_stays():
    model = nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU())
    assert merging_of(model).pairs == merging_of(model).skipped == ()


def test_strides_are_counted_where_the_maps_are_smaller():
    first, second = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 4, 1, stride=2)
    (pair,) = merging_of(Between(nn.ReLU(), first=first, second=second)).pairs
    assert (pair.macs, pair.merged_macs) == (2 * (64 * 3 * 16 + 16 * 16 * 4), 2 * 16 * 3 * 4)


def test_of_three_in_a_row_the_two_that_save_most_are_taken():
    layers = [nn.Conv2d(3, 32, 1), nn.ReLU(), nn.Conv2d(32, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1)]
    found = merging_of(nn.Sequential(*layers))
    assert [(pair.first, pair.second) for pair in found.pairs] == [("_0", "_2")]
    rest = merging_of(nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Conv2d(5, 32, 1), nn.ReLU(), nn.Conv2d(32, 4, 1)))
    assert [(pair.first, pair.second) for pair in rest.pairs] == [("_2", "_4")]
    assert "merged on its other side" in rest.skipped[-1].reason


def pairs_of_plain(*blocks, **options):
    traced = trace(seeded(lambda: classifier(*blocks, **options)).eval(), X)
    return find_pairs(plain_form(traced.module, plan_of(traced).removable)).pairs


def test_without_shortcuts_bottlenecks_have_a_pair_from_block_to_block():
    assert len(pairs_of_plain(*(bottleneck(8, 4) for _ in range(4)))) == 3
    assert (
        len(pairs_of_plain(bottleneck(8, 4), bottleneck(8, 4, stride=2, out=12), bottleneck(12, 4), channels=12)) == 2
    )


def test_basic_blocks_have_none_nor_have_inverted_residuals_nor_has_a_net_whose_shortcuts_stay():
    assert pairs_of_plain(basic_block(8, 8), basic_block(8, 8)) == ()
    assert pairs_of_plain(inverted_residual(8, 12), inverted_residual(8, 12)) == ()
    assert pairs_of_plain(PreActivation(8), PreActivation(8)) == ()
    assert merging_of(seeded(lambda: classifier(bottleneck(8, 4), bottleneck(8, 4)))).pairs == ()
