"""ICNR starts as nearest-neighbour upsampling of a low-resolution convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from loops import LAYOUTS, assert_close, normal, normal_init

from subpixel import conv_transpose, subpixel_conv, zero_insert_conv
from subpixel.initializers import icnr
from subpixel.ops.conv import upsampling_padding

pytestmark = pytest.mark.usefixtures("x64", "unoptimized")


def nearest_of_convolution(x, phase, scales):
    """The convolution of x with the kernel of a phase, then nearest-neighbour upsampling."""
    assert np.ptp(np.asarray(phase)) > 0
    spatial = "HWD"[: len(scales)]
    numbers = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    strides = (1,) * len(scales)
    y = jax.lax.conv_general_dilated(x, phase, strides, "SAME", dimension_numbers=numbers)
    for axis, scale in enumerate(scales):
        y = np.repeat(np.asarray(y), scale, axis + 1)
    return y


@pytest.mark.parametrize(("size", "scales"), [(2, (3,)), (3, (2, 2)), (2, (2, 3)), (1, (2, 1, 2))])
@pytest.mark.parametrize(
    ("layout", "order", "transpose_kernel"),
    [
        ("subpixel", "dcr", False),
        ("subpixel", "crd", False),
        ("conv_transpose", "dcr", False),
        ("conv_transpose", "dcr", True),
        ("zero_insert", "dcr", False),
    ],
)
def test_every_phase_starts_as_the_same_convolution(layout, order, transpose_kernel, size, scales):
    ndim, key = len(scales), jax.random.key(0)
    sizes = tuple(size * r for r in scales)
    shape = (*sizes, *((2, 3) if transpose_kernel else (3, 2)))
    if layout == "subpixel":
        shape = (*(size for _ in scales), 3, 2 * int(np.prod(scales)))
    init = icnr(normal_init, scales, layout=layout, order=order, transpose_kernel=transpose_kernel)
    kernel = init(key, shape, jnp.float64)
    assert kernel.shape == shape
    assert kernel.dtype == jnp.float64

    x = normal(0, 2, *(4, 3, 2)[:ndim], 3)
    if layout == "subpixel":
        y = subpixel_conv(x, kernel, scales, order=order)
    elif layout == "zero_insert":
        y = zero_insert_conv(x, kernel, scales)
    else:
        padding = upsampling_padding(sizes, scales, "SAME")
        y = conv_transpose(x, kernel, scales, padding, transpose_kernel=transpose_kernel)
    phase = normal_init(key, (*(size for _ in scales), 3, 2), jnp.float64)
    assert_close(y, nearest_of_convolution(x, phase, scales), 1e-12)


@pytest.mark.parametrize("transpose_kernel", [False, True])
@pytest.mark.parametrize(
    ("size", "scales"),
    [((2,), (2,)), ((2, 2), (2, 3)), ((4, 2), (3, 4)), ((3, 2), (2, 2)), ((2, 1, 4), (2, 3, 1))],
)
def test_with_same_a_transposed_convolution_starts_aligned(size, scales, transpose_kernel):
    key, options = jax.random.key(0), {"transpose_kernel": transpose_kernel}
    init = icnr(normal_init, scales, layout="conv_transpose", padding="SAME", **options)
    sizes = (k * r for k, r in zip(size, scales, strict=True))
    shape = (*sizes, *((2, 3) if transpose_kernel else (3, 2)))
    kernel = init(key, shape, jnp.float64)
    assert kernel.shape == shape
    x = normal(0, 2, *(5, 4, 3)[: len(scales)], 3)
    phase = normal_init(key, (*(k - 1 + k % 2 for k in size), 3, 2), jnp.float64)
    expected = nearest_of_convolution(x, phase, scales)
    for function in (conv_transpose, jax.lax.conv_transpose):
        assert_close(function(x, kernel, scales, "SAME", **options), expected, 1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_paddings_are_one_at_odd_ratios_and_in_the_other_layouts(layout):
    shape = (6, 9, 3, 2) if layout != "subpixel" else (3, 3, 3, 12)
    both = [
        icnr(normal_init, (2, 3), layout=layout, padding=padding)(jax.random.key(0), shape)
        for padding in ("same_padding", "SAME")
    ]
    np.testing.assert_array_equal(*both)


def test_the_key_reaches_the_base():
    def base(key, shape, dtype):
        return jnp.full(shape, jax.random.key_data(key)[-1], dtype)

    kernel = icnr(base, 2)(jax.random.key(7), (3, 3, 3, 8))
    np.testing.assert_array_equal(kernel, np.full((3, 3, 3, 8), 7))


def test_the_parameters_dtype_is_that_asked_for():
    init = icnr(normal_init, 2)
    assert init(jax.random.key(0), (3, 3, 3, 8)).dtype == jnp.float32
    assert init(jax.random.key(0), (3, 3, 3, 8), jnp.bfloat16).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("layout", "shape", "message"),
    [
        ("subpixel", (3, 3, 3, 6), "6 channels.*multiple of 4"),
        ("zero_insert", (6, 5, 3, 2), r"multiple of the scale.*\(6, 5, 3, 2\)"),
        ("conv_transpose", (5, 6, 3, 2), r"multiple of the scale.*\(5, 6, 3, 2\)"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(layout, shape, message):
    with pytest.raises(ValueError, match=message):
        icnr(normal_init, 2, layout=layout)(jax.random.key(0), shape)


@pytest.mark.parametrize(
    ("scale", "options", "error", "message"),
    [
        (2, {"padding": "VALID"}, ValueError, r'"same_padding" or "SAME"; got \'VALID'),
        (2, {"order": "rcd", "layout": "zero_insert"}, ValueError, "order must be .*got 'rcd'"),
        (2, {"layout": "bilinear"}, ValueError, f"layout 'bilinear'.*{', '.join(LAYOUTS)}"),
        (2.5, {}, TypeError, "scale must be a whole number.*got 2.5"),
        ([1, 1], {}, ValueError, r"scale must be at least 2; got \(1, 1\)"),
    ],
)
def test_arguments_are_refused_at_once(scale, options, error, message):
    with pytest.raises(error, match=message):
        icnr(normal_init, scale, **options)
