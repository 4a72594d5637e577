import pytest

from rdpass.core.errors import ConfigError
from rdpass.passes.quantize.fidelity import fidelity, outputs_of
from rdpass.passes.quantize.layers import layer_noises, named_nodes, weighted_layers
from rdpass.passes.quantize.prepare import prepare
from tests.passes.quantize.nets import images, quantised, residual


def test_layers_are_what_has_constant_weights():
    layers = weighted_layers(prepare(residual()))
    assert [layer.op_type for layer in layers] == ["Conv"] * 4 + ["Gemm"]


def test_the_noise_of_each_layer_is_that_of_the_network_with_it_alone_quantised():
    model, feeds = prepare(residual()), images((1, 3, 11, 9), 2)
    expected, steps = outputs_of(model, feeds), []
    noises = layer_noises(model, lambda layer: quantised(model, only=[layer]), feeds, expected, steps.append)
    assert [noise.sqnr for noise in noises] == sorted(noise.sqnr for noise in noises)
    assert {noise.layer for noise in noises} == {layer.name for layer in weighted_layers(model)}
    assert sum(steps) == 2 * len(noises)
    whole = fidelity(outputs_of(quantised(model), feeds), expected).sqnr
    assert whole < noises[0].sqnr < noises[-1].sqnr


def test_a_glob_names_a_node_an_output_or_a_weight():
    model = prepare(residual())
    layer = weighted_layers(model)[1]
    for glob in (layer.name, layer.output[0], layer.input[1]):
        assert layer.name in named_nodes(model, [glob])
    assert named_nodes(model, []) == ()
    assert len(named_nodes(model, ["*"])) == len(model.graph.node)
    with pytest.raises(ConfigError, match="'conv9' names no node, output or weight of the network; layers are"):
        named_nodes(model, ["conv9"])
