"""Conversions between the layouts of a kernel: numbers, the maps they mean, and PyTorch's."""

import jax
import jax.numpy as jnp
import loops
import numpy as np
import pytest
from loops import LAYOUTS, assert_close, normal

from subpixel import conv_transpose, kernels, pixel_shuffle, subpixel_conv, zero_insert_conv
from subpixel.ops.conv import upsampling_padding

pytestmark = pytest.mark.usefixtures("unoptimized")

GEOMETRIES = pytest.mark.parametrize("scales", [(3,), (2, 2), (2, 3), (2, 1, 2)])
ORDERS = pytest.mark.parametrize("order", ["dcr", "crd"])


def kernel_of(scales, size=2):
    """A zero-insertion kernel of distinct whole numbers: 3 channels in, 2 out."""
    shape = (*(size * r for r in scales), 3, 2)
    return np.random.default_rng(0).permutation(np.prod(shape)).astype(np.int32).reshape(shape)


def in_layout(kernel, scales, layout, order, transpose_kernel):
    """The kernel in a layout, from zero insertion's, by indexing alone."""
    if layout == "subpixel":
        return loops.split_kernel(kernel, scales, order)
    if layout == "conv_transpose" and transpose_kernel:
        return kernel[(slice(None, None, -1),) * len(scales)].swapaxes(-1, -2)
    return kernel


@GEOMETRIES
@ORDERS
@pytest.mark.parametrize("transpose_kernel", [False, True])
@pytest.mark.parametrize("source", LAYOUTS)
@pytest.mark.parametrize("target", LAYOUTS)
def test_every_layout_converts_to_every_other(source, target, transpose_kernel, order, scales):
    kernel = kernel_of(scales)
    options = {"order": order, "transpose_kernel": transpose_kernel}
    given = jnp.asarray(in_layout(kernel, scales, source, **options))
    converted = kernels.convert(given, scales, source, target, **options)
    np.testing.assert_array_equal(converted, in_layout(kernel, scales, target, **options))


@pytest.mark.usefixtures("x64")
@GEOMETRIES
@ORDERS
@pytest.mark.parametrize("transpose_kernel", [False, True])
def test_converted_kernels_are_the_same_map_with_the_bias(transpose_kernel, order, scales):
    ndim = len(scales)
    x, bias = normal(0, 2, *(3, 2, 2)[:ndim], 3), normal(1, 2)
    low = normal(2, *(2 for _ in scales), 3, 2 * int(np.prod(scales)))
    phases = kernels.bias_to_phases(jnp.asarray(bias), scales, order=order, ndim=ndim)
    expected = subpixel_conv(x, low, scales, bias=phases, order=order)

    options = {"order": order, "transpose_kernel": transpose_kernel}
    high = kernels.convert(jnp.asarray(low), scales, "subpixel", "zero_insert", **options)
    sizes = high.shape[:ndim]
    assert_close(zero_insert_conv(x, high, scales) + bias, expected, 1e-12)
    painted = kernels.convert(jnp.asarray(low), scales, "subpixel", "conv_transpose", **options)
    padding = upsampling_padding(sizes, scales, "SAME")
    y = conv_transpose(x, painted, scales, padding, transpose_kernel=transpose_kernel)
    assert_close(y + bias, expected, 1e-12)
    by_loops = loops.upsample(
        x, np.asarray(high), scales, loops.pads_before(sizes, scales), expected.shape[1:-1]
    )
    assert_close(expected, by_loops + bias, 1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("transpose_kernel", [False, True])
@pytest.mark.parametrize(
    ("size", "scales"),
    [((2,), (2,)), ((2, 2), (3, 2)), ((4, 3), (2, 2)), ((2, 4), (4, 3)), ((2, 1, 4), (2, 3, 1))],
)
def test_same_padding_makes_even_ratios_equal_and_same_is_shifted(size, scales, transpose_kernel):
    ndim, numbers = len(scales), tuple(k * r for k, r in zip(size, scales, strict=True))
    x = jnp.asarray(normal(0, 2, *(5, 4, 3)[:ndim], 3))
    low = jnp.asarray(normal(1, *size, 3, 2 * int(np.prod(scales))))
    options = {"transpose_kernel": transpose_kernel}
    kernel = kernels.convert(low, scales, "subpixel", "conv_transpose", **options)
    expected = subpixel_conv(x, low, scales)
    padding = kernels.same_padding(numbers, scales)
    assert_close(conv_transpose(x, kernel, scales, padding, **options), expected, 1e-12)
    by_jax = jax.lax.conv_transpose(x, kernel, scales, padding, **options)
    assert_close(by_jax, expected, 1e-12)
    high = kernels.convert(low, scales, "subpixel", "zero_insert")
    assert_close(zero_insert_conv(x, high, scales, padding=padding), expected, 1e-12)
    same = conv_transpose(x, kernel, scales, "SAME", **options)
    assert same.shape == expected.shape
    shifts = [0 if k % 2 else -(-r // 2) for k, r in zip(size, scales, strict=True)]
    late = same[(slice(None), *(slice(shift, None) for shift in shifts))]
    early = expected[
        (slice(None), *(slice(n - s) for n, s in zip(expected.shape[1:], shifts, strict=False)))
    ]
    assert_close(late, early, 1e-12)
    assert any(shifts)


def test_same_padding_takes_numbers_of_any_integer_type_and_refuses_others():
    assert kernels.same_padding(4, 2) == ((1, 3),)
    assert kernels.same_padding((9, 9), 3) == ((5, 5), (5, 5))
    assert kernels.same_padding(np.array([200, 6], np.uint8), (2, 3)) == ((99, 101), (2, 5))
    with pytest.raises(ValueError, match=r"multiple of the scale.*size of 5 and a scale of 2"):
        kernels.same_padding((4, 5), 2)
    with pytest.raises(TypeError, match=r"kernel_size must be a whole number.*got 4.0"):
        kernels.same_padding(4.0, 2)
    with pytest.raises(ValueError, match="kernel_size must be at least 1"):
        kernels.same_padding((0, 4), 2)


CONVERSIONS = {
    "convert": lambda a: kernels.convert(a, 2, "zero_insert", "subpixel"),
    "convert to itself": lambda a: kernels.convert(a, 2, "subpixel", "subpixel"),
    "transpose": kernels.transpose,
    "reorder": lambda a: kernels.reorder(a, 2, "dcr", "crd"),
    "bias_to_phases": lambda a: kernels.bias_to_phases(a[0, 0, 0], 2),
    "bias_from_phases": lambda a: kernels.bias_from_phases(np.zeros_like(a[0, 0, 0]), 2),
    "from_torch_conv": kernels.from_torch_conv,
    "from_torch_conv_transpose": kernels.from_torch_conv_transpose,
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_conversion_keeps_the_type_or_refuses_it(name):
    numbers = kernel_of((2, 2)).repeat(2, -1)
    for dtype in ("float32", "float16", "int32", "uint8", "bool", jnp.bfloat16):
        assert CONVERSIONS[name](numbers.astype(dtype)).dtype == dtype
    for dtype, narrow in (("float64", "float32"), ("int64", "int32"), ("complex128", "complex64")):
        message = f"{dtype} would become {narrow} in JAX: convert it first.*x64"
        with pytest.raises(TypeError, match=message):
            CONVERSIONS[name](numbers.astype(dtype))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_a_conversion_keeps_64_bits_where_jax_has_them(dtype):
    numbers = kernel_of((2, 2)).astype(dtype) * 2**40 + 1
    converted = kernels.convert(numbers, 2, "zero_insert", "subpixel")
    assert converted.dtype == dtype
    np.testing.assert_array_equal(converted, loops.split_kernel(numbers, (2, 2), "dcr"))


@GEOMETRIES
def test_reorder_changes_the_order_of_what_is_shuffled(scales):
    ndim = len(scales)
    x = jnp.arange(2 * 2**ndim * 3 * np.prod(scales)).reshape(2, *(2,) * ndim, -1)
    reordered = kernels.reorder(x, scales, "dcr", "crd", ndim=ndim)
    assert (reordered != x).any()
    np.testing.assert_array_equal(
        pixel_shuffle(reordered, scales, order="crd"), pixel_shuffle(x, scales, order="dcr")
    )
    np.testing.assert_array_equal(kernels.reorder(reordered, scales, "crd", "dcr", ndim=ndim), x)


def test_bias_to_phases_repeats_it_in_the_order_of_the_channels():
    bias = jnp.array([1, 2])
    assert kernels.bias_to_phases(bias, (3,), ndim=1).tolist() == [1, 2, 1, 2, 1, 2]
    assert kernels.bias_to_phases(bias, (3,), order="crd", ndim=1).tolist() == [1, 1, 1, 2, 2, 2]
    assert kernels.bias_to_phases(bias, 2).shape == (8,)


@ORDERS
def test_bias_from_phases_undoes_it_and_refuses_what_no_single_bias_gives(order):
    bias = jnp.array([0.1, -0.2, 0.3])
    phases = kernels.bias_to_phases(bias, (2, 3), order=order)
    assert phases.shape == (18,)
    np.testing.assert_array_equal(kernels.bias_from_phases(phases, (2, 3), order=order), bias)
    with pytest.raises(ValueError, match=r"differs between the phases.*PhaseBias"):
        kernels.bias_from_phases(phases.at[7].add(1e-6), (2, 3), order=order)


def torch_conv(x, weight, bias):
    """PyTorch's Conv2d over (n, in, h, w), no padding, by its documented sum."""
    size = weight.shape[-1]
    height, width = x.shape[-2] - size + 1, x.shape[-1] - size + 1
    y = np.zeros((len(x), len(weight), height, width))
    for i, j in loops.positions((height, width)):
        window = x[:, :, i : i + size, j : j + size]
        y[:, :, i, j] = np.einsum("nihw,oihw->no", window, weight) + bias
    return y


def torch_conv_transpose(x, weight, bias, stride, padding):
    """PyTorch's ConvTranspose2d over (n, in, h, w): every pixel paints the kernel, then a crop."""
    size = weight.shape[-1]
    sizes = [(s - 1) * stride + size for s in x.shape[2:]]
    y = np.zeros((len(x), weight.shape[1], *sizes))
    for i, j in loops.positions(x.shape[2:]):
        paint = np.einsum("ni,iohw->nohw", x[:, :, i, j], weight)
        y[:, :, i * stride : i * stride + size, j * stride : j * stride + size] += paint
    crop = slice(padding, -padding)
    return y[:, :, crop, crop] + bias[:, None, None]


X, BIAS = normal(0, 2, 3, 5, 4), normal(1, 8)
CONV, PAINT = normal(2, 8, 3, 3, 3), normal(3, 3, 2, 4, 4)


@pytest.mark.usefixtures("x64")
def test_a_convolution_and_a_pixel_shuffle_of_pytorch():
    low = torch_conv(X, CONV, BIAS).transpose(0, 2, 3, 1)
    expected = loops.shuffle(low, (2, 2), "crd")
    kernel, bias = kernels.from_torch_conv(jnp.asarray(CONV)), jnp.asarray(BIAS)
    x = X.transpose(0, 2, 3, 1)
    y = subpixel_conv(x, kernel, 2, bias=bias, padding="VALID", order="crd")
    assert_close(y, expected, 1e-12)
    # The same network in the other order.
    kernel, bias = (kernels.reorder(array, 2, "crd", "dcr") for array in (kernel, bias))
    assert_close(subpixel_conv(x, kernel, 2, bias=bias, padding="VALID"), expected, 1e-12)


@pytest.mark.usefixtures("x64")
def test_a_transposed_convolution_of_pytorch():
    # PyTorch's usual doubling: 4 taps, a stride of 2 and a crop of 1 give 2n from n.
    expected = torch_conv_transpose(X, PAINT, BIAS[:2], 2, 1).transpose(0, 2, 3, 1)
    assert expected.shape == (2, 10, 8, 2)
    x, kernel = X.transpose(0, 2, 3, 1), kernels.from_torch_conv_transpose(jnp.asarray(PAINT))
    pairs = [(2, 2), (2, 2)]
    assert_close(conv_transpose(x, kernel, (2, 2), pairs) + BIAS[:2], expected, 1e-12)
    assert_close(zero_insert_conv(x, kernel, 2, padding=pairs) + BIAS[:2], expected, 1e-12)


def test_the_loops_are_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed to compare with")
    x, conv, paint, bias = (
        torch.tensor(array.tolist(), dtype=torch.float64) for array in (X, CONV, PAINT, BIAS)
    )
    functional = torch.nn.functional
    low = functional.conv2d(x, conv, bias)
    assert_close(np.array(low.tolist()), torch_conv(X, CONV, BIAS), 1e-12)
    shuffled = functional.pixel_shuffle(low, 2).permute(0, 2, 3, 1)
    by_loops = loops.shuffle(torch_conv(X, CONV, BIAS).transpose(0, 2, 3, 1), (2, 2), "crd")
    assert_close(np.array(shuffled.tolist()), by_loops, 1e-12)
    painted = functional.conv_transpose2d(x, paint, bias[:2], stride=2, padding=1)
    expected = torch_conv_transpose(X, PAINT, BIAS[:2], 2, 1)
    assert_close(np.array(painted.tolist()), expected, 1e-12)


@pytest.mark.parametrize(
    ("shape", "scale", "source", "target", "error", "message"),
    [
        ((6, 6, 3, 2), 2, "deconv", "subpixel", ValueError, "unknown layout 'deconv'.*one of"),
        ((6, 6, 3, 2), 2, "subpixel", "deconv", ValueError, "unknown layout 'deconv'.*one of"),
        ((6, 2), 2, "zero_insert", "subpixel", ValueError, r"1 to 3 spatial axes.*\(6, 2\)"),
        ((2,) * 6, 2, "zero_insert", "subpixel", ValueError, "1 to 3 spatial axes"),
        ((6, 5, 3, 2), 2, "zero_insert", "subpixel", ValueError, r"\(6, 5\) taps.*append zeros"),
        ((3, 3, 3, 6), 2, "subpixel", "zero_insert", ValueError, "6 channels.*multiple of 4"),
        ((6, 6, 3, 2), 1, "zero_insert", "subpixel", ValueError, "at least 2; got 1"),
        ((6, 6, 3, 2), 2.5, "zero_insert", "subpixel", TypeError, "whole number.*got 2.5"),
        ((6, 6, 3, 2), "22", "zero_insert", "subpixel", TypeError, "whole number.*got '22'"),
        ((6, 6, 3, 2), (2,), "zero_insert", "subpixel", ValueError, "1 entries.*2 spatial axes"),
    ],
)
def test_errors(shape, scale, source, target, error, message):
    with pytest.raises(error, match=message):
        kernels.convert(jnp.zeros(shape), scale, source, target)


def test_unknown_order_is_refused():
    kernel = jnp.zeros((3, 3, 3, 8))
    with pytest.raises(ValueError, match=r"order must be.*got 'rcd'"):
        kernels.convert(kernel, 2, "subpixel", "zero_insert", order="rcd")
    with pytest.raises(ValueError, match=r"order must be.*got 'rcd'"):
        kernels.reorder(kernel, 2, "dcr", "rcd")
