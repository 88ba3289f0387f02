"""The claims of arXiv 1609.07009, each a test: values and both gradients, in two precisions."""

import functools
import math

import jax
import jax.numpy as jnp
import loops
import numpy as np
import pytest
from flax import nnx
from jax import lax
from loops import LAYOUTS, assert_close, assert_same_tree, normal

from subpixel import conv_transpose, kernels, pixel_shuffle, subpixel_conv, zero_insert_conv
from subpixel.ops.conv import insert_zeros, upsampling_padding
from subpixel.sr.models import ConvStack, ESPCNConfig

pytestmark = pytest.mark.usefixtures("unoptimized")

PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)]
)
COMPILERS = pytest.mark.parametrize("compiler", [lambda f: f, loops.jit], ids=["eager", "jit"])
pytestmark = pytest.mark.usefixtures("x64")

# A filter that is not its own mirror image, or the reversal would not show.
FILTER = np.array([1.0, 2.0, 3.0, 4.0])


def upsample(layout, x, kernel, scales):
    if layout == "subpixel":
        return subpixel_conv(x, kernel, scales)
    if layout == "zero_insert":
        return zero_insert_conv(x, kernel, scales)
    padding = upsampling_padding(kernel.shape[:-2], scales, "SAME")
    return conv_transpose(x, kernel, scales, padding)


def assert_one_map(scales, size, dtype, tolerance, compiler=loops.jit, *, features=(3, 2)):
    """The three layouts of k taps per axis are one map, and the one that the loops compute."""
    ndim = len(scales)
    x = normal(0, 2, *(4, 3, 2)[:ndim], features[0])
    kernel = normal(1, *(size * r for r in scales), *features)
    sizes = tuple(s * r for s, r in zip(x.shape[1:-1], scales, strict=True))
    cotangent = normal(2, 2, *sizes, features[1])
    low = loops.pads_before(kernel.shape[:ndim], scales)
    y, dx, dkernel = loops.upsample(x, kernel, scales, low, sizes, cotangent)
    split, dsplit = (loops.split_kernel(array, scales) for array in (kernel, dkernel))

    def evaluate(x, kernels, cotangent):
        results = {}
        for layout, kernel in kernels.items():
            function = functools.partial(upsample, layout, scales=scales)
            result, pull = jax.vjp(function, x, kernel)
            results[layout] = result, *pull(cotangent)
        return results

    taps = {"subpixel": split, "conv_transpose": kernel, "zero_insert": kernel}
    operands = jax.tree.map(lambda array: jnp.asarray(array, dtype), (x, taps, cotangent))
    results = compiler(evaluate)(*operands)
    assert set(results) == set(LAYOUTS)
    for layout, actual in results.items():
        assert {array.dtype for array in actual} == {np.dtype(dtype)}
        assert_same_tree(actual, (y, dx, dsplit if layout == "subpixel" else dkernel), tolerance)


def strided_convolution_matrix() -> np.ndarray:
    """Section 2's example: 8 samples, padded by 2 on each side, and 4 taps at a stride of 2."""
    matrix = np.zeros((5, 12))
    for row in range(5):
        matrix[row, 2 * row : 2 * row + 4] = FILTER
    return matrix[:, 2:10]


def test_1d_example_the_matrix_is_the_strided_convolution_of_8_samples_to_5():
    x = normal(0, 8)
    y = lax.conv(x.reshape(1, 1, 8), FILTER.reshape(1, 1, 4), (2,), [(2, 2)])
    assert_close(y.ravel(), strided_convolution_matrix() @ x, 1e-12)


@COMPILERS
@PRECISIONS
def test_1d_example_transposed_and_subpixel_convolution_agree_with_the_filter_reversed(
    dtype, tolerance, compiler
):
    y = normal(1, 5)
    expected = strided_convolution_matrix().T @ y
    signal = jnp.asarray(y.reshape(1, 5, 1), dtype)
    taps = jnp.asarray(FILTER.reshape(4, 1, 1), dtype)
    # The 12 painted samples are cropped by the 2 that padded the 8: of k - 1 = 3 zeros of padding
    # on each side, 1 is left.
    crop = [(1, 1)]

    transposed = compiler(lambda s, t: conv_transpose(s, t, (2,), crop, transpose_kernel=True))
    assert_close(transposed(signal, taps).ravel(), expected, tolerance)

    half_stride = compiler(lambda s, t: zero_insert_conv(s, t, 2, padding=crop))
    assert_close(half_stride(signal, taps[::-1]).ravel(), expected, tolerance)

    # At low resolution: output 2q + b meets taps 1 - b and 3 - b of the reversed filter.
    phases = jnp.stack([taps[::-1][1::2, :, 0], taps[::-1][0::2, :, 0]], axis=-1)
    shuffled = compiler(lambda s, t: subpixel_conv(s, t, 2, padding="VALID"))
    assert_close(shuffled(signal, phases).ravel(), expected, tolerance)

    forgot_to_reverse = half_stride(signal, taps).ravel()
    assert np.abs(np.asarray(forgot_to_reverse) - expected).max() > 0.1


@COMPILERS
@PRECISIONS
def test_kernel_1_1_4_4_on_the_zero_inserted_image_is_4_1_2_2_at_low_resolution_and_a_shuffle(
    dtype, tolerance, compiler
):
    oihw = normal(1, 1, 1, 4, 4)
    # Figures 4 to 6: the taps that meet pixels, not inserted zeros, are every second one.
    phases = np.concatenate([oihw[:, :, 1 - b :: 2, 1 - c :: 2] for b in (0, 1) for c in (0, 1)])
    assert phases.shape == (4, 1, 2, 2)

    x = jnp.asarray(normal(0, 2, 5, 6, 1), dtype)
    numbers = ("NHWC", "OIHW", "NHWC")

    def high(x, kernel):
        # Nothing follows the last pixel, so the zero that `insert_zeros` puts there goes.
        stuffed = insert_zeros(x, 2)[:, :-1, :-1]
        return lax.conv_general_dilated(
            stuffed, kernel, (1, 1), [(1, 3), (1, 3)], dimension_numbers=numbers
        )

    def low(x, kernel):
        y = lax.conv_general_dilated(x, kernel, (1, 1), [(0, 1), (0, 1)], dimension_numbers=numbers)
        return pixel_shuffle(y, 2)

    expected = compiler(high)(x, jnp.asarray(oihw, dtype))
    assert expected.shape == (2, 10, 12, 1)
    assert_close(compiler(low)(x, jnp.asarray(phases, dtype)), expected, tolerance)

    hwio = jnp.asarray(oihw.transpose(2, 3, 1, 0), dtype)
    assert_close(compiler(lambda *a: zero_insert_conv(*a, 2))(x, hwio), expected, tolerance)
    split = kernels.convert(hwio, 2, "zero_insert", "subpixel")
    np.testing.assert_array_equal(split.transpose(3, 2, 0, 1), phases.astype(dtype))


@PRECISIONS
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_kernel_o_r2_i_k_k_is_kernel_o_i_kr_kr(scale, size, dtype, tolerance):
    assert_one_map((scale, scale), size, dtype, tolerance)


@PRECISIONS
@pytest.mark.parametrize("scales", [(2,), (3,), (2, 3), (2, 2, 2), (1, 2, 3)])
def test_d_dimensions_give_r_to_the_d_phases(scales, dtype, tolerance):
    assert_one_map(scales, 2, dtype, tolerance)
    kernel = jnp.zeros((*(2 * r for r in scales), 3, 2))
    phases = kernels.convert(kernel, scales, "zero_insert", "subpixel")
    assert phases.shape == (*(2 for _ in scales), 3, 2 * math.prod(scales))


@pytest.mark.parametrize(("scales", "size"), [((2,), 4), ((2, 3), 3)])
def test_the_layouts_are_one_map_without_jit_too(scales, size):
    assert_one_map(scales, size, "float64", 1e-12, compiler=lambda f: f)


def test_espcns_last_kernel_9_32_3_3_is_1_32_9_9():
    kernel = ConvStack(ESPCNConfig(scale=3), rngs=nnx.Rngs(0)).upsampler.kernel[...]
    assert kernel.shape == (3, 3, 32, 9)
    respelled = kernels.convert(kernel, 3, "subpixel", "zero_insert")
    assert respelled.shape == (9, 9, 32, 1)
    np.testing.assert_array_equal(loops.split_kernel(np.asarray(respelled), (3, 3)), kernel)
    assert_one_map((3, 3), 3, "float64", 1e-12, features=(32, 1))
