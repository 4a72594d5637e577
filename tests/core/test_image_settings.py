import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from rdpass.core.errors import ConfigError
from rdpass.core.image_settings import (
    ImageSettings,
    centre_box,
    check_class_count,
    mean_and_std,
    parse_numbers,
    parse_size,
    read_labels,
    settings_of,
)

SETTINGS = ImageSettings(4, 6, (0.5, 0.25, 0.1), (0.2, 0.3, 0.4), ("cat", "dog"))


class Loader:
    image_settings = SETTINGS


def test_bytes_become_what_the_network_was_trained_on():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    given = SETTINGS.normalised(pixels)
    wanted = ((pixels / 255.0 - SETTINGS.mean) / SETTINGS.std).transpose(0, 3, 1, 2)
    assert (given.dtype, given.shape, given.flags.c_contiguous) == (np.float32, (2, 3, 4, 6), True)
    np.testing.assert_allclose(given, wanted, rtol=0, atol=2e-6)


def test_settings_are_read_back_from_json_as_they_were():
    text = json.dumps(asdict(SETTINGS))
    assert TypeAdapter(ImageSettings).validate_json(text) == SETTINGS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"height": 0}, "an image of 0x6 is none"),
        ({"width": 10000}, "sides are 1 to 8192"),
        ({"mean": (0.5, 0.5)}, "2 means and 3 deviations"),
        ({"std": (0.5, 0.0, 0.5)}, "a standard deviation a positive one"),
        ({"mean": (0.5, float("nan"), 0.5)}, "a mean is a number"),
        ({"crop": 0}, "above 0 and at most 1"),
        ({"held_out": 1}, "the share held out is 0 to 0.9"),
        ({"batch_size": 0}, "one image or more"),
        ({"labels": ("a", "a")}, "two classes have one name"),
        ({"labels": ("a", "two\nlines")}, r"class 1 is called 'two\\nlines': .*without line breaks"),
        ({"labels": ("a\u2028b", "c")}, "class 0 is called"),
        ({"labels": ("cat ", "dog")}, "class 0 is called 'cat '"),
        ({"labels": ("cat", "")}, "class 1 is called ''"),
        ({"labels": ("cat", "d\udcffg")}, "class 1 is called .* in UTF-8"),
    ],
)
def test_what_is_out_of_range_is_named(change, said):
    with pytest.raises(ConfigError, match=said):
        replace(SETTINGS, **change)


def test_sizes_and_numbers_are_read_and_anything_else_refused():
    assert (parse_size("96"), parse_size(" 120x160 ")) == ((96, 96), (120, 160))
    assert parse_numbers("0.5, 1,2e-1", "--mean") == (0.5, 1.0, 0.2)
    for text in ("", "x", "3x4x5", "-4"):
        with pytest.raises(ConfigError, match="is no size; write 224"):
            parse_size(text)
    with pytest.raises(ConfigError, match="--std '1;2' is no list of numbers"):
        parse_numbers("1;2", "--std")


def test_means_are_those_given_one_for_all_or_imagenets():
    assert mean_and_std(None, None, 3) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert mean_and_std([0.5], None, 3)[0] == (0.5, 0.5, 0.5)
    assert mean_and_std(None, [0.3], 1) == ((0.449,), (0.3,))


def test_the_centre_of_the_inputs_proportions_is_used():
    assert centre_box(20, 10, (4, 4), 1.0) == (5, 0, 15, 10)
    assert centre_box(10, 20, (4, 8), 1.0) == (0, 7.5, 10, 12.5)
    assert centre_box(20, 10, (4, 4), 0.5) == (7.5, 2.5, 12.5, 7.5)


def test_labels_are_one_a_line():
    assert read_labels("cat\nbig dog \n\n", "here") == ("cat", "big dog")
    with pytest.raises(ConfigError, match="here: line 2 is empty"):
        read_labels("cat\n\ndog\n", "here")


def test_classes_that_are_not_as_many_as_the_logits_are_refused():
    assert settings_of(Loader()) is SETTINGS
    assert settings_of([1]) is None
    check_class_count(Loader(), [(1, 2)], "it")
    check_class_count([1], [(1, 7)], "it")
    check_class_count(Loader(), [(1, 7), (1, 7)], "a detector")
    with pytest.raises(ConfigError, match=r"it tells 7 classes apart, and the images have 2 \(cat, dog\)"):
        check_class_count(Loader(), [(1, 7)], "it")
