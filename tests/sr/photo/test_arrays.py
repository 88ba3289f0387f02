"""`subpixel.sr.upscale` on arrays and files."""

import subprocess
import sys

import numpy as np
import pytest
from files import COFFEE, HEIGHT, WIDTH, rgba, save
from PIL import Image

import subpixel.sr


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (COFFEE, (3 * HEIGHT, 3 * WIDTH, 3)),
        (COFFEE[..., 0], (3 * HEIGHT, 3 * WIDTH)),
        (rgba(), (3 * HEIGHT, 3 * WIDTH, 4)),
        (np.stack([COFFEE, COFFEE[::-1]]), (2, 3 * HEIGHT, 3 * WIDTH, 3)),
        ((COFFEE / 255).astype(np.float32), (3 * HEIGHT, 3 * WIDTH, 3)),
        (COFFEE.astype(np.uint16) * 257, (3 * HEIGHT, 3 * WIDTH, 3)),
    ],
)
def test_arrays_keep_their_axes_and_dtype(image, shape):
    result = subpixel.sr.upscale(image, "bicubic")
    assert (result.shape, result.dtype) == (shape, image.dtype)


def test_dtypes_agree():
    eight = subpixel.sr.upscale(COFFEE, "bicubic")
    unit = subpixel.sr.upscale((COFFEE / 255).astype(np.float32), "bicubic")
    np.testing.assert_allclose(np.asarray(unit) * 255, eight, atol=0.501)
    assert unit.min() >= 0
    assert unit.max() <= 1


def test_a_file_is_turned_upright(tmp_path):
    tags = Image.Exif()
    tags[274] = 6
    save(tmp_path / "a.png", exif=tags)
    result = subpixel.sr.upscale(tmp_path / "a.png", "bicubic", scale=2)
    expected = subpixel.sr.upscale(np.rot90(COFFEE, -1), "bicubic", scale=2)
    assert np.abs(result.astype(int) - expected).max() <= 1


def test_a_grey_file_has_no_channel(tmp_path):
    result = subpixel.sr.upscale(save(tmp_path / "a.png", COFFEE[..., 0]), "bicubic", scale=2)
    assert (type(result), result.shape) == (np.ndarray, (2 * HEIGHT, 2 * WIDTH))


def test_any_size():
    assert subpixel.sr.upscale(COFFEE, "bicubic", scale=2.5).shape == (150, 200, 3)
    assert subpixel.sr.upscale(COFFEE, "bicubic", size=(300, 300)).shape == (225, 300, 3)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (COFFEE[0, 0], {}, r"shape \(h, w\) or \(h, w, c\) with 1 to 4 channels; got \(3,\)"),
        (np.zeros((4, 4, 5), np.uint8), {}, r"got \(4, 4, 5\)"),
        (np.zeros((0, 4), np.uint8), {}, r"got \(0, 4\)"),
        (COFFEE.astype(np.int32), {}, "must be uint8, uint16 or floating point; got int32"),
        (COFFEE.astype(float), {}, r"must lie in 0\.\.1; got 0 to 249"),
        (COFFEE / np.nan, {}, r"must lie in 0\.\.1; got nan to nan"),
        (COFFEE, {"scale": 2, "size": (9, 9)}, "only one of scale, width, height and fit"),
        (COFFEE, {"engine": "tpu"}, "engine must be one of"),
    ],
)
@pytest.mark.usefixtures("without_shape_checks")
def test_what_is_no_image_is_refused(image, options, message):
    with pytest.raises(ValueError, match=message):
        subpixel.sr.upscale(image, "bicubic", **options)


def test_upscaling_needs_no_package_of_training():
    """The extra `upscale` is enough; orbax and optax come with Flax."""
    code = (
        "import sys, numpy, subpixel.sr\n"
        "for name in ('grain', 'imagehash', 'filelock', 'jinja2', 'matplotlib', 'skimage', 'onnx',"
        " 'tensorboardX'):\n"
        "    sys.modules[name] = None\n"
        "import subpixel.sr.cli.upscale\n"
        "print(subpixel.sr.upscale(numpy.zeros((4, 5, 3), 'uint8'), 'espcn_x2', scale=2).shape)"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed.strip() == "(8, 10, 3)"
