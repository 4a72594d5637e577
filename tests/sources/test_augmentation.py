import sys

import numpy as np
import pytest
import torch
from PIL import Image

from rdpass.core.errors import ConfigError
from rdpass.core.image_settings import centre_box
from rdpass.core.images import scaled
from rdpass.sources.augmentation import AUGMENTATIONS, by_policy, check_augmentation, policy_of, varied


@pytest.fixture(scope="module")
def image():
    """Brighter from left to right, and from top to bottom in another colour."""
    across, down = np.meshgrid(np.arange(60) * 4, np.arange(40) * 6)
    return Image.fromarray(np.stack([across, down, across * 0], -1).astype(np.uint8))


def test_a_crop_lies_in_the_image_and_has_half_its_area_or_more(image):
    for seed in range(40):
        red = varied(image, (20, 20), "crop", 1.0, (seed, 0))[..., 0].astype(int)
        assert (np.diff(red, axis=1) >= 0).all()  # never mirrored
        width = (red[0, -1] - red[0, 0]) / 4 * 20 / 19
        assert 20 < width <= 60


def test_half_the_images_are_mirrored_by_light(image):
    mirrored = [varied(image, (8, 8), "light", 1.0, (0, index))[0, 0, 0] > 120 for index in range(200)]
    assert 70 < sum(mirrored) < 130


def test_nothing_is_varied_by_none(image):
    given = varied(image, (20, 20), "none", 0.5, (3, 4))
    np.testing.assert_array_equal(given, scaled(image, (20, 20), centre_box(60, 40, (20, 20), 0.5)))


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name not in ("none", "crop", "light")])
def test_a_policy_is_drawn_by_its_seed_alone(image, name):
    policy, pixels = policy_of(name), np.asarray(image)
    given = by_policy(policy, pixels, 7)
    torch.rand(5)
    np.testing.assert_array_equal(given, by_policy(policy, pixels, 7))
    assert given.shape == pixels.shape
    assert any((by_policy(policy, pixels, seed) != pixels).any() for seed in range(5))


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(ConfigError, match="no augmentation 'much'"):
        check_augmentation("much")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(
        ConfigError, match=r"randaugment is torchvision's, .* pip install 'rdpass\[zoo\]', or take light"
    ):
        check_augmentation("randaugment")
