"""Several maps side by side become one convolution of as many groups as there can be."""

import pytest
import torch
from torch import nn

from rdpass.passes.graph.linear.dirac import zeros_around
from rdpass.passes.graph.linear.linear_map import LinearMap, NotExact, identity
from rdpass.passes.graph.linear.merge_convs import Block, convolution, join

X = torch.randn(2, 8, 9, 9, dtype=torch.float64)
SIZE = (9, 9)


def map_of(conv):
    conv = conv.double()
    bias = None if conv.bias is None else conv.bias.detach()
    return LinearMap(
        conv.weight.detach(), bias, conv.stride, *zeros_around(conv), conv.dilation, conv.groups, conv.padding_mode
    )  # fmt: skip


def block(conv, reads, writes):
    return Block(conv if isinstance(conv, LinearMap) else map_of(conv), torch.tensor(reads), torch.tensor(writes))


def by_hand(blocks, outputs, size_after):
    """Every map on the channels that it reads, its result added to those that it writes."""
    result = torch.zeros(2, outputs, *size_after, dtype=torch.float64)
    for each in blocks:
        part = X[:, each.inputs]
        result[:, each.outputs] += convolution(each.map, part)(part).detach()
    return result


@pytest.mark.parametrize(
    ("blocks", "outputs", "groups", "kernel"),
    [
        ([block(nn.Conv2d(4, 4, 3, 1, 1), range(4), range(4)), block(identity(4, 2), range(4, 8), range(4, 8))],
         8, 2, (3, 3)),
        ([block(nn.Conv2d(8, 4, 3, 1, 1), range(8), range(4)), block(nn.Conv2d(8, 4, 1), range(8), range(4))],
         4, 1, (3, 3)),
        ([block(nn.Conv2d(8, 8, 3, 1, 1, groups=8), range(8), range(8)), block(identity(8, 2), range(8), range(8))],
         8, 8, (3, 3)),
        ([block(nn.Conv2d(8, 4, (3, 1), 1, (1, 0)), range(8), range(4)),
          block(nn.Conv2d(8, 4, (1, 5), 1, (0, 2)), range(8), range(4))], 4, 1, (3, 5)),
        ([block(identity(4, 2), [0, 2, 4, 6], range(4)), block(identity(4, 2), [1, 3, 5, 7], range(4))], 4, 4, (1, 1)),
        ([block(nn.Conv2d(8, 4, 3, 1, 2, dilation=2), range(8), range(4)), block(identity(4, 2), range(4), range(4))],
         4, 1, (3, 3)),
    ],
)  # fmt: skip
def test_the_joint_convolution_does_what_all_do_added_up(blocks, outputs, groups, kernel):
    joint = join(blocks, 8, outputs, SIZE, SIZE)
    assert (joint.groups, joint.kernel) == (groups, kernel)
    assert torch.allclose(convolution(joint, X)(X), by_hand(blocks, outputs, SIZE), atol=1e-12)


def test_maps_on_the_meta_device_give_the_same_form_without_numbers():
    one = map_of(nn.Conv2d(8, 4, 3, 1, 1))
    light = LinearMap(one.weight.to("meta"), one.bias.to("meta"), one.stride, one.before, one.after, one.dilation)
    joint = join([block(light, range(8), range(4)), block(identity(4, 2), range(4), range(4))], 8, 4, SIZE, SIZE)
    module = convolution(joint, X)
    assert module.weight.is_meta
    assert (module.weight.shape, module.padding, module.groups) == ((4, 8, 3, 3), (1, 1), 1)


@pytest.mark.parametrize(
    ("second", "after", "reason"),
    [
        (nn.Conv2d(8, 4, 1, 2), SIZE, "samples at stride"), (nn.Conv2d(8, 4, 3), SIZE, "become"),
        (nn.Conv2d(8, 4, 5, 1, 2, padding_mode="reflect"), SIZE, "pads with"),
    ],
)  # fmt: skip
def test_what_samples_crops_or_pads_otherwise_is_refused(second, after, reason):
    first = block(nn.Conv2d(8, 4, 3, 1, 1), range(8), range(4))
    with pytest.raises(NotExact, match=reason):
        join([first, block(second, range(8), range(4))], 8, 4, SIZE, after)
