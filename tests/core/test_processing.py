import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from rdpass.core.errors import ConfigError
from rdpass.core.image_settings import ImageSettings
from rdpass.core.processing import Processing, likeliest, processing_of, read_processing

IMAGES = ImageSettings(4, 6, (0.5, 0.25, 0.1), (0.2, 0.3, 0.4), ("cat", "dog"), crop=0.875)
WHOLE = Processing("nhwc", (0.5, 0.25, 0.1), (0.2, 0.3, 0.4), labels=("cat", "dog"), crop=0.875)


def image():
    return np.random.default_rng(0).integers(0, 256, (1, 4, 6, 3), np.uint8)


def test_numbers_behind_commas_go_on_with_the_list_before_them():
    given = read_processing("uint8, nhwc,mean=0.5,0.25,0.1,bgr,std=0.2,0.3,0.4,scale=0.01", "softmax", ["a", "b"])
    assert given == Processing(
        "nhwc", (0.5, 0.25, 0.1), (0.2, 0.3, 0.4), scale=0.01, bgr=True, postprocess="softmax", labels=("a", "b")
    )
    assert read_processing("nchw,uint8", None) == Processing("nchw")
    assert read_processing(None, None) is None
    assert read_processing(None, None, input_names=["image"]).input_names == ("image",)


def test_a_run_that_learnt_from_images_knows_the_rest():
    assert read_processing("uint8,nhwc", None, images=IMAGES) == WHOLE
    assert read_processing("uint8,nhwc,mean=0.4", None, ["x", "y"], IMAGES) == replace(
        WHOLE, mean=(0.4,), labels=("x", "y")
    )
    assert read_processing(None, "argmax", images=IMAGES) == Processing(
        postprocess="argmax", labels=("cat", "dog"), crop=0.875
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nhwc", "does not say uint8 and a layout"),
        ("uint8", "does not say uint8 and a layout"),
        ("uint8,nhcw", "'nhcw' is not understood; write uint8,nhwc,mean="),
        ("uint8,nhwc,mean=x", "'x' is no number"),
        ("uint8,nhwc,0.5", "'0.5' is not understood"),
        ("uint8,nhwc,std=0", "a standard deviation and a scale are positive"),
        ("uint8,nhwc,mean=nan", "a mean is a number"),
        ("uint8,nhwc,mean=1,2", "2 means and 1 deviations"),
        ("uint8,nhwc,bgr=1", "'bgr=1' is not understood"),
    ],
)
def test_what_is_not_understood_is_named(text, said):
    with pytest.raises(ConfigError, match=said):
        read_processing(text, None)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("bgr", [False, True])
def test_an_image_is_prepared_as_the_network_was_trained(layout, bgr):
    processing = replace(WHOLE, layout=layout, bgr=bgr)
    pixels = image()[0]
    given = processing.prepared(processing.arranged(pixels))
    np.testing.assert_array_equal(given, IMAGES.normalised(pixels[None]))
    assert (given.dtype, given.shape) == (np.float32, (1, 3, 4, 6))


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_prepared_images_are_taken_back_to_their_bytes_and_others_are_refused(layout):
    processing = replace(WHOLE, layout=layout, bgr=True)
    pixels = processing.arranged(np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3))
    floats = processing.prepared(pixels)
    np.testing.assert_array_equal(processing.as_bytes(floats, "batch 0"), pixels)
    for wrong in (floats + np.float32(0.004), floats * 3):
        with pytest.raises(ConfigError, match=r"batch 0: .* no bytes by its own mean 0.5, 0.25, 0.1 and std"):
            processing.as_bytes(wrong, "batch 0")


def test_grey_images_take_one_mean_and_no_three():
    assert Processing("nhwc", (0.5,), (0.25,)).prepared(np.full((1, 2, 2, 1), 255, np.uint8))[0, 0, 0, 0] == 2
    with pytest.raises(ConfigError, match="3 means or deviations, and the image has 1 channels"):
        WHOLE.prepared(np.zeros((1, 2, 2, 1), np.uint8))


def test_scores_become_probabilities_or_an_index():
    scores = np.array([[1000.0, 1002.0, 0.0]], np.float32)
    first, other = Processing(postprocess="softmax").finished([scores, scores])
    np.testing.assert_allclose(first, [[1 / (1 + np.e**2), 1 / (1 + np.e**-2), 0]], atol=1e-12)
    assert other is scores
    assert Processing(postprocess="argmax").finished([scores])[0].tolist() == [1]
    assert Processing().finished([scores])[0] is scores


def test_the_likeliest_classes_have_their_names_and_others_their_index():
    scores = np.array([[0.1, 0.5, 0.2, 0.05, 0.08, 0.07]], np.float32)
    named = likeliest(scores, Processing(labels=("cat", "dog", "bus")))
    assert [label for label, _ in named] == ["dog", "bus", "cat", "4", "5"]
    assert named[0][1] == pytest.approx(0.5)
    assert likeliest(np.array([1]), replace(WHOLE, postprocess="argmax")) == [("dog", None)]
    assert likeliest(scores, Processing()) == []
    assert likeliest(np.zeros((1, 3, 2, 2)), WHOLE) == []


def test_it_is_read_back_from_json_as_it_was_and_nothing_else_is():
    assert processing_of(json.loads(json.dumps(asdict(WHOLE)))) == WHOLE
    for body in ({"layouts": "nhwc"}, {"layout": "hwc"}, {"std": [0.0]}):
        with pytest.raises(ConfigError):
            processing_of(body)


def test_it_says_what_is_done():
    first, second = replace(WHOLE, bgr=True, postprocess="softmax").words()
    assert "NHWC; of three channels blue, green, red" in first
    assert "mean 0.5, 0.25, 0.1 and std 0.2, 0.3, 0.4" in first
    assert "probability" in second
    assert Processing().words() == []
