import numpy as np

from rdpass.onnx.oracle import Session
from rdpass.passes.quantize.histograms import BINS, take_extremes, take_histograms, with_outputs
from rdpass.passes.quantize.prepare import prepare
from tests.passes.quantize.nets import images, residual


def test_every_tensor_is_counted_over_all_images():
    model = prepare(residual())
    feeds, steps = images((1, 3, 11, 9), 3), []
    found = take_histograms(model, feeds, steps.append)
    assert steps == [1] * 6
    names = [name for node in model.graph.node for name in node.output]
    assert found.keys() == {"x0", *names}
    whole = Session(with_outputs(model, names))
    for name in ("x0", names[1], names[-1]):
        values = np.concatenate([whole.named(feed)[name].ravel() for feed in feeds])
        assert (found[name].low, found[name].high) == (values.min(), values.max())
        assert found[name].counts.sum() == values.size
        wanted, _ = np.histogram(values, BINS, (values.min(), values.max()))
        assert np.abs(found[name].counts - wanted).sum() <= 0.02 * values.size  # those next to an edge
        assert (found[name].centres[0] > values.min(), found[name].centres[-1] < values.max()) == (True, True)


def test_outputs_are_added_and_the_model_is_left_alone():
    model = prepare(residual())
    before = model.SerializeToString()
    assert len(with_outputs(model, [node.output[0] for node in model.graph.node]).graph.output) == len(model.graph.node)
    assert model.SerializeToString() == before


def test_a_tensor_of_one_number_has_a_width():
    model = prepare(residual())
    found = take_histograms(model, [[np.zeros((1, 3, 11, 9), np.float32)]], lambda rows: None)
    assert all(histogram.high > histogram.low for histogram in found.values())
    assert all(np.isfinite(histogram.centres).all() for histogram in found.values())


def test_the_extremes_alone_are_those_of_the_histograms():
    model = prepare(residual())
    feeds = images((1, 3, 11, 9), 2)
    counted = take_histograms(model, feeds, lambda rows: None)
    assert take_extremes(model, feeds) == {name: (found.low, found.high) for name, found in counted.items()}
