"""Low resolution: the same for a part as for the whole, and the blur against SciPy's."""

import numpy as np
import pytest
from scipy.ndimage import correlate

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.degradation import Degradation, make_lr


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("border", ["symmetric", "replicate"])
def test_blur_is_a_gaussian_around_the_middle_of_each_block(scale, border):
    """As `fspecial` and `imfilter` have it, then rows and columns taken at the block's middle."""
    hr, sigma = noise(12 * scale, 9 * scale), 1.6
    size = 7 if scale % 2 else 8
    offsets = np.arange(size) - (size - 1) / 2
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    # MATLAB's centre of an even kernel is before its middle, SciPy's after it.
    blurred = correlate(
        hr.astype(float),
        kernel[..., None] / kernel.sum(),
        mode={"symmetric": "reflect", "replicate": "nearest"}[border],
        origin=(0 if size % 2 else -1,) * 2 + (0,),
    )
    first = (scale - 1) // 2
    expected = np.floor(blurred + 0.5)[first::scale, first::scale]
    np.testing.assert_array_equal(make_lr(hr, scale, Degradation("blur", border=border)), expected)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kind", ["bicubic", "blur"])
def test_the_lr_image_of_a_crop_is_the_crop_of_the_lr_image_inside(scale, kind):
    """The alignment that patches rely on: only near the crop's edges does its border show."""
    degradation = Degradation(kind)
    hr = noise(40 * scale, 36 * scale)
    lr = make_lr(hr, scale, degradation)
    rng = np.random.default_rng(1)
    for y, x in rng.integers(0, 16, (8, 2)):
        crop = hr[y * scale : (y + 20) * scale, x * scale : (x + 20) * scale]
        inside = make_lr(crop, scale, degradation)[3:-3, 3:-3]
        np.testing.assert_array_equal(inside, lr[y + 3 : y + 17, x + 3 : x + 17])
        # A place off by one pixel would be noticed.
        assert (inside != lr[y + 4 : y + 18, x + 3 : x + 17]).mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "blur", "sigma": 0}, "sigma must be positive; got 0"),
        ({"kind": "blur", "kernel_size": 4}, "kernel_size must be odd and positive; got 4"),
        ({"kind": "blurr"}, r"degradation\.kind must be one of .*; got 'blurr'"),
        ({"border": "mirror"}, r"degradation\.border must be one of"),
    ],
)
def test_a_degradation_that_is_none_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Degradation(**options)
