import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rdpass.core.errors import ConfigError
from rdpass.core.images import check_header, open_image, read_image


@pytest.fixture
def picture():
    return np.random.default_rng(1).integers(0, 256, (10, 16, 3), np.uint8)


def saved(folder, pixels, name="x.png", **options):
    Image.fromarray(pixels).save(folder / name, **options)
    return folder / name


def test_the_centre_is_scaled_and_of_the_same_size_left_as_it_is(tmp_path, picture):
    path = saved(tmp_path, picture)
    np.testing.assert_array_equal(read_image(path, 3, (10, 10)), picture[:, 3:13])
    grey = read_image(path, 1, (10, 16))
    assert grey.shape == (10, 16, 1)
    np.testing.assert_allclose(grey[..., 0], picture @ [0.299, 0.587, 0.114], atol=1)


def test_scaling_down_looks_at_every_pixel(tmp_path):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert read_image(saved(tmp_path, stripes), 3, (8, 8)).std() < 3  # without antialiasing all would be 0 or 200


def test_a_photograph_is_turned_upright(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    path = saved(tmp_path, picture, "x.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(open_image(path, 3)), np.rot90(picture, -1))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_metadata_other_than_exif_turns_no_photograph_that_a_board_would_read(tmp_path, picture, suffix):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    written = PngInfo()
    written.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options = {"pnginfo": written} if suffix == ".png" else {"xmp": xmp}
    exif = Image.Exif()
    exif[0x010F] = "a maker"  # and no orientation
    for has_exif in ({}, {"exif": exif}):
        path = saved(tmp_path, picture, f"x{suffix}", **options, **has_exif)
        with Image.open(path) as opened:
            assert opened.getexif()[0x0112] == 6  # as Pillow has it
        assert open_image(path, 3).size == (picture.shape[1], picture.shape[0])


def test_a_damaged_record_of_the_camera_turns_nothing(tmp_path, picture):
    path = saved(tmp_path, picture, "x.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert open_image(path, 3).size == (picture.shape[1], picture.shape[0])


def test_pixels_of_sixteen_bits_keep_their_upper_eight(tmp_path):
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    path = saved(tmp_path, deep)
    np.testing.assert_array_equal(read_image(path, 1, (16, 16))[..., 0], np.arange(256).reshape(16, 16))
    assert read_image(path, 3, (16, 16)).shape == (16, 16, 3)


def test_palettes_and_transparency_become_colours(tmp_path, picture):
    transparent = np.dstack([picture, np.zeros((10, 16), np.uint8)])
    np.testing.assert_array_equal(np.asarray(open_image(saved(tmp_path, transparent), 3)), picture)
    Image.fromarray(picture).quantize(8).save(tmp_path / "p.png")
    assert np.asarray(open_image(tmp_path / "p.png", 3)).shape == (10, 16, 3)


def test_floats_and_what_is_torn_are_refused_by_name(tmp_path, picture):
    floats = saved(tmp_path, np.zeros((4, 4), np.float32), "f.tiff")
    for read in (check_header, lambda path: open_image(path, 3)):
        with pytest.raises(ConfigError, match=r"f.tiff holds floating-point pixels"):
            read(floats)
    path = saved(tmp_path, np.random.default_rng(2).integers(0, 256, (90, 90, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:3000])
    check_header(path)
    with pytest.raises(ConfigError, match=r"x.png can't be read as an image: .*; replace or remove it"):
        open_image(path, 3)
    with pytest.raises(ConfigError, match=r"gone.png can't be read as an image"):
        check_header(tmp_path / "gone.png")


def test_an_image_of_more_pixels_than_memory_should_hold_is_refused_by_its_header(tmp_path):
    huge = tmp_path / "huge.pgm"
    huge.write_bytes(b"P5 40000 40000 255\n")
    with pytest.raises(ConfigError, match=r"huge.pgm can't be read as an image: .*pixels"):
        check_header(huge)
