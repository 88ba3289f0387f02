"""Image functions against MATLAB's own outputs and against twins written another way."""

from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from subpixel.image import (
    imresize,
    modcrop,
    psnr,
    rgb_to_luma,
    rgb_to_ycbcr,
    ssim,
    to_uint8,
    ycbcr_to_rgb,
)

SET5 = ("baby", "bird", "butterfly", "head", "woman")


def read_rgb(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("name", SET5)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shrinking_is_matlabs_to_the_bit(data_root, vectors, scale, name):
    original = modcrop(read_rgb(data_root / "Set5" / f"{name}.png"), scale)
    expected = read_rgb(vectors / "set5_lr_matlab" / f"x{scale}" / f"{name}.png")
    np.testing.assert_array_equal(imresize(original, 1 / scale), expected)
    np.testing.assert_array_equal(imresize(jnp.asarray(original), 1 / scale), expected)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_resizing_in_double_is_matlabs(vectors, scale):
    expected = np.load(vectors / f"butterfly_y_double_x{scale}.npz")
    low = imresize(expected["hr"][..., None], 1 / scale)
    np.testing.assert_allclose(low[..., 0], expected["lr"], rtol=0, atol=1e-10)
    back = imresize(expected["lr"][..., None], scale)
    np.testing.assert_allclose(back[..., 0], expected["bicubic"], rtol=0, atol=1e-10)


def keys(x: Fraction) -> Fraction:
    """Keys' kernel, a = -1/2, in exact arithmetic."""
    x = abs(x)
    if x <= 1:
        return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
    if x <= 2:
        return -Fraction(1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2
    return Fraction(0)


def resize_line(line: list[int], shrink: int, border: str) -> list[float]:
    """A line of pixels `shrink` times shorter, straight from the definition."""
    n = len(line)
    output = []
    for j in range(-(-n // shrink)):
        centre = shrink * j + Fraction(shrink - 1, 2)
        total, weights = Fraction(0), Fraction(0)
        for i in range(-4 * shrink, n + 4 * shrink):
            weight = keys((centre - i) / shrink)
            if border == "symmetric":
                inside = i % (2 * n)
                inside = min(inside, 2 * n - 1 - inside)
            else:
                inside = min(max(i, 0), n - 1)
            total += weight * line[inside]
            weights += weight
        output.append(float(total / weights))
    return output


@settings(deadline=None, max_examples=60)
@given(
    line=st.lists(st.integers(0, 255), min_size=1, max_size=30),
    shrink=st.integers(2, 5),
    border=st.sampled_from(["symmetric", "replicate"]),
)
def test_shrinking_a_line_follows_the_definition(line, shrink, border):
    expected = resize_line(line, shrink, border)
    column = np.array(line, np.float64)[:, None, None]
    tall = np.broadcast_to(column, (len(line), shrink, 1))
    np.testing.assert_allclose(
        imresize(tall, 1 / shrink, border=border)[:, 0, 0], expected, rtol=0, atol=1e-9
    )
    wide = tall.transpose(1, 0, 2)
    np.testing.assert_allclose(
        imresize(wide, 1 / shrink, border=border)[0, :, 0], expected, rtol=0, atol=1e-9
    )


def test_each_pass_rounds_to_eight_bits_rows_first():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (13, 17, 2), dtype=np.uint8)
    rows = np.stack([resize_line(line, 3, "symmetric") for line in image[..., 0].T.tolist()]).T
    rows = np.floor(rows.clip(0, 255) + 0.5).astype(int)
    both = np.stack([resize_line(line, 3, "symmetric") for line in rows.tolist()])
    expected = np.floor(both.clip(0, 255) + 0.5)
    np.testing.assert_array_equal(imresize(image, 1 / 3)[..., 0], expected)


def test_images_may_have_any_batch_axes_and_be_resized_under_jit():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (2, 3, 14, 15, 3)).astype(np.float32)
    expected = np.stack([[imresize(image, 1 / 2) for image in row] for row in images])
    np.testing.assert_array_equal(imresize(images, 1 / 2), expected)
    jitted = jax.jit(lambda x: imresize(x, 1 / 2))(jnp.asarray(images))
    assert isinstance(jitted, jax.Array)
    np.testing.assert_allclose(jitted, expected, rtol=1e-5, atol=1e-3)
    references = images[..., ::-1, :]
    for metric in (psnr, ssim):
        each = np.stack([metric(a, b) for a, b in zip(images, references, strict=True)])
        np.testing.assert_allclose(metric(images, references), each, rtol=1e-12)


def test_luma_is_bt601_in_studio_range():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]])
    # Poynton's digital video book, table of 8-bit colour bars at 100 %.
    expected = [[[16, 128, 128], [235, 128, 128], [81, 90, 240], [145, 54, 34], [41, 240, 110]]]
    np.testing.assert_array_equal(rgb_to_ycbcr(colours.astype(np.uint8)), expected)
    np.testing.assert_array_equal(
        rgb_to_luma(colours.astype(np.uint8))[..., 0], np.array(expected)[..., 0]
    )


def test_full_range_luma_is_pillows():
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(rgb).convert("L"), int)
    # Pillow's weights are rounded to 16 bits, so a half may fall to the other side.
    assert (rgb_to_luma(rgb, "full")[..., 0] != pillow).mean() < 0.001
    exact = rgb_to_luma(rgb.astype(np.float64), "full")[..., 0]
    np.testing.assert_allclose(exact, rgb @ [0.299, 0.587, 0.114], rtol=0, atol=1e-9)
    # The studio range is the full one, squeezed: a PSNR gains 20 log10(255 / 219) dB.
    studio = rgb_to_luma(rgb.astype(np.float64))[..., 0]
    np.testing.assert_allclose(studio, 16 + exact * 219 / 255, rtol=0, atol=1e-3)


@pytest.mark.parametrize("convert", [rgb_to_luma, rgb_to_ycbcr, ycbcr_to_rgb])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_colour_of_batches_is_the_same_jitted_and_in_either_library(convert, dtype):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 4, 3)).astype(dtype)
    expected = np.stack([[convert(image) for image in row] for row in images])
    np.testing.assert_array_equal(convert(images), expected)
    jitted = jax.jit(convert)(jnp.asarray(images))
    assert jitted.dtype == dtype
    tolerance = 0 if dtype == np.uint8 else 1e-3
    np.testing.assert_allclose(jitted.astype(float), expected.astype(float), atol=tolerance)


@pytest.mark.usefixtures("x64")
def test_double_precision_is_the_same_in_either_library():
    rng = np.random.default_rng(0)
    image, reference = rng.uniform(0, 255, (2, 3, 25, 26, 2))
    for function in (psnr, ssim):
        of_jax = jax.jit(function)(jnp.asarray(image), jnp.asarray(reference))
        np.testing.assert_allclose(of_jax, function(image, reference), rtol=1e-12)
    for scale in (1 / 3, 2, 0.7):
        of_jax = jax.jit(lambda x, scale=scale: imresize(x, scale))(jnp.asarray(image))
        np.testing.assert_allclose(of_jax, imresize(image, scale), rtol=0, atol=1e-10)


def test_colour_goes_there_and_back():
    rgb = np.random.default_rng(0).uniform(0, 255, (4, 5, 3))
    np.testing.assert_allclose(ycbcr_to_rgb(rgb_to_ycbcr(rgb)), rgb, atol=1e-9)


def test_eight_bits_round_halves_up():
    np.testing.assert_array_equal(
        to_uint8(np.array([-3.0, 0.49, 0.5, 1.5, 254.5, 300.0])), [0, 0, 1, 2, 255, 255]
    )
