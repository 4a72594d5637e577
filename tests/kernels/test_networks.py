"""Every kernel on every layer of ResNet-18/34/50, plain-50, MobileNetV2, EfficientNet-Lite0 and RegNetY-400MF."""

import pytest

from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import host_target
from tests.kernels.networks import all_layers, label
from tests.kernels.tester import check
from tests.kernels.tolerances import cases_of

_QUICK = 500_000
"""Multiplications of a layer that need not be called slow."""

ISA = isa_of(host_target())


def marked(layer):
    return pytest.param(layer, id=label(layer), marks=[pytest.mark.slow] if layer.operations > 2 * _QUICK else [])


@pytest.mark.parametrize("layer", map(marked, all_layers()))
def test_every_kernel_gives_the_values_of_its_oracle_on_every_layer(layer):
    for case, tolerance in cases_of(layer, ISA):
        check(case, tolerance)


def test_no_two_layers_are_called_the_same():
    assert len({label(layer) for layer in all_layers()}) == len(all_layers())
