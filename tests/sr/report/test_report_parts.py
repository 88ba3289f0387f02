"""What the report page draws and embeds: the kernel in both layouts, the images."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from subpixel.kernels import convert
from subpixel.sr.report.drawings import draw_kernel
from subpixel.sr.report.images import ReportImage, encode


@pytest.mark.parametrize(("taps", "scale", "outputs"), [(3, 3, 1), (2, 4, 3), (5, 2, 2)])
def test_kernel_phases_hold_the_sub_pixel_kernel(taps, scale, outputs):
    size = taps * scale
    kernel = np.random.default_rng(2).normal(size=(size, size, 5, outputs)).astype(np.float32)
    low = np.asarray(convert(jnp.asarray(kernel), scale, "zero_insert", "subpixel"))
    figure = draw_kernel(kernel, scale)
    assert figure.total == 5 * outputs
    assert len(figure.features) == min(8, 5 * outputs)
    norms = [feature.norm for feature in figure.features]
    assert norms == sorted(norms, reverse=True)
    for feature in figure.features:
        numbers = [int(number) for number in re.findall(r"\d+", feature.title)]
        source, channel = numbers if outputs > 1 else (*numbers, 0)
        high = kernel[..., source, channel]
        largest = np.abs(high).max()
        for tap in feature.taps:
            q, p = int(tap.y), int(tap.x)
            assert tap.level == pytest.approx(50 + 50 * high[q, p] / largest, abs=0.51)
            row, column = scale - 1 - q % scale, scale - 1 - p % scale
            assert tap.phase == row * scale + column
        for index, phase in enumerate(feature.phases):
            assert (phase.row, phase.column) == divmod(index, scale)
            levels = np.reshape([tap.level for tap in phase.taps], (taps, taps))
            weights = low[..., source, index * outputs + channel]
            np.testing.assert_allclose(levels, 50 + 50 * weights / largest, atol=0.51)
            assert {tap.phase for tap in phase.taps} == {index}


def test_zero_kernel_is_grey():
    figure = draw_kernel(np.zeros((6, 6, 2, 1)), 2)
    assert {tap.level for feature in figure.features for tap in feature.taps} == {50}


@pytest.mark.usefixtures("without_shape_checks")
def test_kernel_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"zero insertion, \(k\*r, k\*r, in, out\); got .*\(6, 5"):
        draw_kernel(np.zeros((6, 5, 2, 1)), 3)
    with pytest.raises(ValueError, match="must be a multiple of the scale"):
        draw_kernel(np.zeros((5, 5, 2, 1)), 3)


def test_images_open_where_bicubic_is_furthest_from_the_original():
    original = np.zeros((200, 300, 3), np.uint8)
    bicubic = original.copy()
    bicubic[100:148, 210:258] = 50
    encoded = encode(ReportImage("a", "b", {"bicubic": bicubic, "original": original}, {}))
    assert encoded.focus == (0.78, 0.62)


@pytest.mark.usefixtures("without_shape_checks")
def test_views_that_do_not_fit_are_refused():
    small, large = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match=r"'b' of 'a': all views .* 'original' has \(4, 5, 3\)"):
        encode(ReportImage("a", "b", {"bicubic": small, "original": large}, {}))
    with pytest.raises(TypeError, match="view 'bicubic' must be uint8, 0 to 255; got float64"):
        encode(ReportImage("a", "b", {"bicubic": small / 255}, {}))
    with pytest.raises(ValueError, match="'b' of 'a' has no views"):
        encode(ReportImage("a", "b", {}, {}))
