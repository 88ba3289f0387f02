"""Scores and resizing in every real type, of NumPy and JAX, and what is refused."""

import json
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

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

NUMPY = "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64"
JAX = "int8 uint8 int16 uint16 int32 uint32 float16 bfloat16 float32"
TYPES = [(np, name) for name in NUMPY.split()] + [(jnp, name) for name in JAX.split()]
EVERY_TYPE = pytest.mark.parametrize(
    ("xp", "dtype"), TYPES, ids=[f"{xp.__name__}-{name}" for xp, name in TYPES]
)


def draw(seed, *shape, top=100):
    values = np.random.default_rng(seed).integers(0, top, shape)
    values[..., 0, 0, 0] = top - 1
    return values


def exact_psnr(image, reference, peak):
    """By Python's whole numbers."""
    errors = [int(a) - int(b) for a, b in zip(image.ravel(), reference.ravel(), strict=True)]
    return 10 * np.log10(peak**2 * len(errors) / sum(error**2 for error in errors))


def exact_ssim(image, reference, peak):
    """Scikit-image's, in float64, without the border that the window does not cover."""
    each = []
    for channel in range(image.shape[-1]):
        a, b = (np.asarray(x[..., channel], np.float64) for x in (image, reference))
        _, similarity = structural_similarity(
            a, b, data_range=peak, gaussian_weights=True, sigma=1.5, truncate=3.4,
            use_sample_covariance=False, full=True,
        )  # fmt: skip
        each.append(similarity[5:-5, 5:-5].mean())
    return np.mean(each)


@EVERY_TYPE
def test_scores_do_not_depend_on_the_type_of_images_or_peak(xp, dtype):
    image, reference = draw(0, 14, 15, 2), draw(1, 14, 15, 2)
    a, b = (xp.asarray(x).astype(dtype) for x in (image, reference))
    expected = exact_psnr(image, reference, 99), exact_ssim(image, reference, 99)
    traced = jax.jit(lambda a, b: (psnr(a, b, peak=a.max()), ssim(a, b, peak=a.max())))
    results = [(psnr(a, b, peak=peak), ssim(a, b, peak=peak)) for peak in (a.max(), 99, 99.0)]
    results.append((psnr(a, b, peak=np.asarray(a.max())), ssim(a, b, peak=jnp.float32(99))))
    if xp is jnp:
        results.append(traced(a, b))
    np.testing.assert_allclose(results, [expected] * len(results), rtol=2e-6)


@EVERY_TYPE
def test_resizing_and_colour_do_not_depend_on_the_type(xp, dtype):
    rgb = draw(0, 9, 12, 3)
    image = xp.asarray(rgb).astype(dtype)
    expected = imresize(rgb.astype(np.float64), 1 / 3)
    colours = rgb_to_ycbcr(rgb.astype(np.float64))
    if dtype == "uint8":
        colours = to_uint8(colours)
        by_rows = to_uint8(imresize(rgb.astype(np.float64), 1 / 3, antialias=True))
        assert abs(imresize(image, 1 / 3).astype(int) - by_rows).max() <= 1
    else:
        np.testing.assert_allclose(imresize(image, 1 / 3), expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(rgb_to_ycbcr(image), colours, rtol=1e-5)
    np.testing.assert_allclose(rgb_to_luma(image), colours[..., :1], rtol=1e-5)
    np.testing.assert_array_equal(to_uint8(image), rgb)


def test_every_level_of_a_narrow_type_is_rounded_to_itself():
    levels = np.arange(256)
    for dtype in (jnp.bfloat16, jnp.float16):
        np.testing.assert_array_equal(to_uint8(jnp.asarray(levels, dtype)), levels)
    assert to_uint8(np.array([-128, 127], np.int8)).tolist() == [0, 127]


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
def test_integers_beyond_float_are_subtracted_exactly(dtype):
    limits = np.iinfo(dtype)
    image = np.full((4, 4, 1), limits.max, dtype)
    image[0] = limits.min
    reference = image.copy()
    reference[1, 0, 0] = limits.max - 3
    reference[0] = limits.min + 2
    expected = exact_psnr(image, reference, limits.max)
    assert psnr(image, reference, peak=limits.max) == pytest.approx(expected, rel=1e-12)
    if "64" not in dtype:
        of_jax = psnr(jnp.asarray(image), jnp.asarray(reference), peak=image.max())
        assert float(of_jax) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("factor", [1e-25, 1e25])
@pytest.mark.parametrize("xp", [np, jnp])
def test_squares_of_tiny_and_huge_values_neither_vanish_nor_overflow(xp, factor):
    image, reference = draw(0, 14, 15, 2), draw(1, 14, 15, 2)
    a, b = (xp.asarray(x * factor, dtype="float32") for x in (image, reference))
    peak = 99 * factor
    assert float(psnr(a, b, peak=peak)) == pytest.approx(exact_psnr(image, reference, 99), rel=1e-5)
    assert float(ssim(a, b, peak=peak)) == pytest.approx(exact_ssim(image, reference, 99), rel=1e-5)


def cases_of_small_contrast():
    rng = np.random.default_rng(0)
    bright = rng.integers(240, 253, (40, 37, 2))
    pressure = rng.normal(101_325, 1, (40, 37, 2))
    edge = pressure - 1e5 * (np.arange(40) < 20)[:, None, None]
    return {
        "bright 8 bits": (bright, bright + rng.integers(-2, 3, bright.shape), 255),
        "bright 16 bits": (bright * 257, bright * 257 + rng.integers(-9, 10, bright.shape), 65535),
        "air pressure": (pressure, pressure + rng.normal(0, 0.3, pressure.shape), 10),
        "a step": (edge, edge + rng.normal(0, 0.3, pressure.shape), 1e5),
        "far below 0": (-pressure, rng.normal(0, 1, pressure.shape) - pressure, 10),
        "almost flat": (pressure, pressure + 0.05, 1),
    }


CONTRASTS = cases_of_small_contrast()


@pytest.mark.parametrize("name", CONTRASTS)
def test_ssim_keeps_its_digits_beside_a_large_offset(name):
    image, reference, peak = CONTRASTS[name]
    a, b = (x.astype(np.float32) for x in (image, reference))
    expected = exact_ssim(a, b, peak)
    assert ssim(a, b, peak=peak) == pytest.approx(expected, abs=1e-6)
    of_jax = jax.jit(lambda a, b: ssim(a, b, peak=peak))(a, b)
    assert float(of_jax) == pytest.approx(expected, abs=1e-5)


def test_scores_take_arrays_of_both_libraries_in_any_order():
    image, reference = (draw(seed, 2, 14, 15, 2).astype(np.uint8) for seed in (0, 1))
    for metric in (psnr, ssim):
        expected = metric(image, reference)
        for a, b in ((image, jnp.asarray(reference)), (jnp.asarray(image), reference)):
            mixed = metric(a, b)
            assert isinstance(mixed, jax.Array)
            np.testing.assert_allclose(mixed, expected, rtol=1e-5)
        for traced in (
            jax.jit(lambda y, metric=metric: metric(image, y))(reference),
            jax.jit(lambda x, metric=metric: metric(x, reference))(image),
            jax.jit(lambda peak, metric=metric: metric(image, reference, peak=peak))(255),
            jax.vmap(metric)(image, jnp.asarray(reference)),
        ):
            np.testing.assert_allclose(traced, expected, rtol=1e-5)


def test_a_numpy_reference_of_64_bits_does_not_wrap_beside_jax():
    image = np.full((4, 4, 1), 2.0**40)
    reference = (image + 2**30).astype(np.int64)
    score = psnr(jnp.asarray(image, jnp.float32), reference, peak=2.0**40)
    assert float(score) == pytest.approx(20 * np.log10(2**10), rel=1e-5)


def test_a_score_is_differentiable_by_image_and_peak():
    image, reference = (draw(seed, 14, 15, 2).astype(np.float32) for seed in (0, 1))
    by_peak = jax.grad(lambda peak: psnr(image, reference, peak=peak))(99.0)
    assert float(by_peak) == pytest.approx(20 / np.log(10) / 99, rel=1e-5)
    for metric in (psnr, ssim):
        gradient = jax.grad(lambda x, metric=metric: metric(x, reference))(image)
        step = np.zeros_like(image)
        step[5, 6, 1] = 0.5
        wide = image.astype(np.float64)
        slope = metric(wide + step, reference) - metric(wide - step, reference)
        assert float(gradient[5, 6, 1]) == pytest.approx(slope, rel=1e-2)


@pytest.mark.parametrize(("metric", "of_itself"), [(psnr, "Infinity"), (ssim, "1.0")])
def test_the_score_of_one_numpy_image_is_a_number_that_json_takes(metric, of_itself):
    for dtype in ("uint8", "uint16", "float16", "float32", "float64"):
        images = [draw(seed, 2, 14, 15, 2).astype(dtype) for seed in (0, 1)]
        one = metric(images[0][0], images[1][0])
        assert json.loads(json.dumps(one)) == one
        batch = metric(*images)
        assert (batch.dtype, batch.shape) == (np.float64, (2,))
        assert batch[0] == one
        assert json.dumps(metric(images[0][0], images[0][0])) == of_itself


@pytest.mark.parametrize(
    "scale", [np.uint8(2), np.int64(2), np.float16(2), jnp.float32(2), jnp.int8(2), np.array(2.0)]
)
def test_the_scale_of_a_resize_may_have_any_real_type(scale):
    image = draw(0, 150, 9, 2).astype(np.float64)
    np.testing.assert_array_equal(imresize(image, scale), imresize(image, 2.0))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, jnp.bfloat16])
@pytest.mark.parametrize("shrink", [3, 6, 7])
def test_a_scale_that_its_type_rounds_means_the_ratio_of_the_sizes(dtype, shrink):
    image = draw(0, 4 * shrink, 5 * shrink, 2).astype(np.float64)
    resized = imresize(image, dtype(1 / shrink))
    assert resized.shape == (4, 5, 2)
    np.testing.assert_allclose(resized, imresize(image, 1 / shrink), rtol=1e-12)


def test_a_crop_takes_whole_numbers_of_any_type():
    image = draw(0, 10, 301, 2)
    for scale in (np.uint8(3), np.int64(3), jnp.int32(3)):
        np.testing.assert_array_equal(modcrop(image, scale), image[:9, :300])
        np.testing.assert_array_equal(modcrop(image > 3, scale), (image > 3)[:9, :300])


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_shaving_is_a_crop(metric):
    image, reference = draw(0, 230, 231, 2), draw(1, 230, 231, 2)
    expected = metric(image[100:-100, 100:-100], reference[100:-100, 100:-100])
    for shave in (100, np.uint8(100)):
        assert metric(image, reference, shave=shave) == expected


REAL = draw(0, 14, 15, 3).astype(np.float64)
COMPLEX = REAL + 1j * REAL[::-1]


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray])
@pytest.mark.parametrize(
    "call",
    [
        lambda x: psnr(REAL, x),
        lambda x: psnr(x, REAL),
        lambda x: ssim(REAL, x),
        lambda x: ssim(x, REAL),
        lambda x: jax.jit(lambda x: psnr(x, REAL))(x),
        lambda x: imresize(x, 0.5),
        rgb_to_luma,
        rgb_to_ycbcr,
        ycbcr_to_rgb,
        to_uint8,
    ],
)
def test_complex_and_bool_images_are_refused(call, convert):
    with pytest.raises(TypeError, match=r"integer or floating-point type; got complex.*one part"):
        call(convert(COMPLEX.astype(np.complex64)))
    with pytest.raises(TypeError, match="integer or floating-point type; got bool: convert it"):
        call(convert(REAL > 50))


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: imresize(REAL[0], 0.5), ValueError, r"shape \(\.\.\., height, width, channels\)"),
        (lambda: imresize(REAL, 0.5, border="wrap"), ValueError, "got 'wrap'"),
        (lambda: modcrop(REAL[:, :2], 3), ValueError, "2x14 pixels is too small for a scale of 3"),
        (lambda: rgb_to_luma(REAL[..., :1]), ValueError, "three channels; got the shape"),
        (lambda: rgb_to_luma(REAL, "jpeg"), ValueError, "got 'jpeg'"),
        (lambda: psnr(REAL, REAL[1:]), ValueError, "must have the same shape"),
        (lambda: psnr(REAL, REAL, shave=7), ValueError, "nothing of 15x14"),
        (lambda: ssim(REAL[:10], REAL[:10]), ValueError, "at least 11 pixels"),
        (lambda: psnr(REAL, REAL, shave=-1), ValueError, "shave must be at least 0; got -1"),
        (lambda: ssim(REAL, REAL, shave=-2), ValueError, "shave must be at least 0; got -2"),
        (lambda: psnr(REAL, REAL, shave=1.5), TypeError, "shave must be a whole number.*got 1.5"),
        (lambda: psnr(REAL, REAL, shave="1"), TypeError, "shave must be a whole number.*got '1'"),
        (
            lambda: jax.jit(lambda shave: psnr(REAL, REAL, shave=shave))(1),
            TypeError,
            "shave must be a whole number, known before any tracing",
        ),
        (lambda: psnr(REAL, REAL, peak=0), ValueError, "peak must be positive; got 0"),
        (lambda: psnr(REAL, REAL, peak=-255), ValueError, "peak must be positive; got -255"),
        (lambda: ssim(REAL, REAL, peak=np.nan), ValueError, "peak must be positive; got nan"),
        (lambda: ssim(REAL, REAL, peak=np.inf), ValueError, "peak must be finite; got inf"),
        (lambda: psnr(REAL, REAL, peak=255j), TypeError, "peak must have an .*got complex128"),
        (lambda: psnr(REAL, REAL, peak=True), TypeError, "peak must have an .*got bool"),
        (lambda: psnr(REAL, REAL, peak=[1, 2]), TypeError, r"one number; got an array of .*\(2,\)"),
        (lambda: psnr(REAL.tolist(), REAL), TypeError, "array of NumPy or JAX; got list"),
        (lambda: psnr(REAL, None), TypeError, "array of NumPy or JAX; got NoneType"),
        (lambda: imresize(REAL, np.inf), ValueError, "scale of a resize must be finite; got inf"),
        (lambda: imresize(REAL, -2), ValueError, "scale of a resize must be positive; got -2"),
        (lambda: imresize(REAL, 1j), TypeError, "scale of a resize must have an .*got complex"),
        (lambda: imresize(REAL, (2, 3)), TypeError, r"must be one number; got .*\(2,\)"),
        (
            lambda: jax.jit(lambda scale: imresize(REAL, scale))(2.0),
            TypeError,
            "scale of a resize must be known before any tracing",
        ),
        (lambda: modcrop(REAL, 0), ValueError, "scale of a crop must be at least 1; got 0"),
        (lambda: modcrop(REAL, -3), ValueError, "scale of a crop must be at least 1; got -3"),
        (lambda: modcrop(REAL, 2.0), TypeError, "scale of a crop must be a whole number.*2.0"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(call, error, message):
    with warnings.catch_warnings(action="error"), pytest.raises(error, match=message):
        call()
