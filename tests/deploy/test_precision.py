"""The precision that a network is built in, and the machine that it is checked on."""

import pytest

from rdpass.core.errors import ConfigError, TargetError
from rdpass.deploy.precision import TOLERANCES, check_precision, precision_of, target_for, this_machine
from rdpass.onnx.source import read_onnx
from rdpass.targets.features import Feature
from rdpass.targets.lookup import cpu_features, find_target, host_target
from tests.onnx.nets import Net
from tests.onnx.qdq import QdqNet


def floats():
    net = Net((1, 4, 5, 5))
    return read_onnx(net.model(net.conv("x0", 4, 4)))


def integers():
    net = QdqNet((1, 4, 5, 5))
    return read_onnx(net.model(net.quantised(net.layer(net.quantised("x0"), "Conv", (4, 4, 1, 1), 0))))


@pytest.mark.parametrize(
    ("source", "asked", "target", "built"),
    [
        (floats, None, "rpi5", "float32"),
        (floats, "float32", "rpi4", "float32"),
        (floats, "fp16", "rpi5", "fp16"),
        (integers, None, "rpi4", "int8"),
        (integers, "int8", "rpi5", "int8"),
    ],
)
def test_it_is_what_was_asked_for_or_what_the_file_is(source, asked, target, built):
    assert precision_of(source(), asked, find_target(target)) == built


@pytest.mark.parametrize(
    ("source", "asked", "target", "error", "remedy"),
    [
        (floats, "int8", "rpi5", ConfigError, "rdpass quantize"),
        (floats, "fp16", "rpi4", TargetError, "asimdhp"),
        (integers, "fp16", "rpi5", ConfigError, "float network"),
        (integers, "float32", "rpi5", ConfigError, "float network"),
    ],
)
def test_what_it_can_not_be_is_said_with_a_remedy(source, asked, target, error, remedy):
    with pytest.raises(error, match=remedy):
        precision_of(source(), asked, find_target(target))


def test_there_are_three_and_each_has_its_tolerance():
    assert set(TOLERANCES) == {"float32", "fp16", "int8"}
    assert TOLERANCES["float32"] < TOLERANCES["fp16"]
    for each in (None, *TOLERANCES):
        check_precision(each)
    with pytest.raises(ConfigError, match="'bf16'; it is one of float32, fp16, int8"):
        check_precision("bf16")


def test_this_machine_multiplies_bytes_for_networks_of_bytes_alone():
    products = {Feature.AVX512_VNNI, Feature.AVX_VNNI}
    assert products.isdisjoint(this_machine(floats()).features)
    assert this_machine(floats()) == host_target()
    added = set(this_machine(integers()).features) - set(host_target().features)
    assert added <= products & cpu_features()
    assert target_for(integers(), "host") == this_machine(integers())


def test_a_target_by_name_or_as_it_is():
    rpi5 = find_target("rpi5")
    assert target_for(integers(), "rpi5") == target_for(floats(), rpi5) == rpi5
    assert target_for(integers(), host_target()) == host_target()
    with pytest.raises(TargetError, match="no target is called"):
        target_for(floats(), "rpi9")
