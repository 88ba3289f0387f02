"""Which method "auto" takes on a CPU, and what the polyphase output costs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import subpixel
from subpixel.ops import _methods
from subpixel.ops._geometry import Axis, resolve_padding
from subpixel.ops._native import result_shape
from subpixel.ops._polyphase import grid, polyphase_output, product_ratio


def axes_of(sizes, taps, strides, padding="SAME"):
    pairs = resolve_padding(padding, sizes, taps, strides, consistent=False)
    each = zip(sizes, taps, strides, (1,) * len(sizes), *zip(*pairs, strict=True), strict=True)
    return tuple(Axis(*numbers) for numbers in each)


def choose(taps, stride, outputs, *, ndim=2, dtype="float32", groups=1, low=None, size=32):
    axes = axes_of((size,) * ndim, (taps,) * ndim, (stride,) * ndim)
    if low is not None:
        axes = tuple(axis._replace(low=low) for axis in axes)
    x = jax.ShapeDtypeStruct((4, *(size,) * ndim, groups, 32), dtype)
    w = jax.ShapeDtypeStruct((*(taps,) * ndim, groups, 32, outputs), dtype)
    return _methods.choose(x, w, "output", axes, "cpu")


@pytest.mark.parametrize(
    ("expected", "case"),
    [
        ("polyphase", {"taps": 4, "stride": 2, "outputs": 16}),
        ("polyphase", {"taps": 9, "stride": 3, "outputs": 1}),
        ("polyphase", {"taps": 10, "stride": 3, "outputs": 16}),
        ("polyphase", {"taps": 4, "stride": 2, "outputs": 64, "ndim": 1}),
        ("polyphase", {"taps": 5, "stride": 2, "outputs": 16}),
        ("im2col", {"taps": 5, "stride": 2, "outputs": 32}),
        ("polyphase", {"taps": 10, "stride": 3, "outputs": 32}),
        ("im2col", {"taps": 4, "stride": 2, "outputs": 1}),
        ("im2col", {"taps": 3, "stride": 2, "outputs": 64}),
        ("im2col", {"taps": 2, "stride": 2, "outputs": 64}),
        ("im2col", {"taps": 4, "stride": 2, "outputs": 16, "ndim": 3}),
        ("im2col", {"taps": 4, "stride": 2, "outputs": 16, "dtype": "float64"}),
        ("im2col", {"taps": 4, "stride": 2, "outputs": 16, "groups": 2}),
        ("im2col", {"taps": 3, "stride": 1, "outputs": 1}),
        ("im2col", {"taps": 16, "stride": 8, "outputs": 256, "ndim": 1, "size": 2}),
        ("native", {"taps": 3, "stride": 1, "outputs": 16}),
        ("im2col", {"taps": 3, "stride": 1, "outputs": 16, "low": 3}),
    ],
)
def test_the_choice_follows_the_table(expected, case):
    assert choose(**case) == expected


@pytest.mark.parametrize("result", ["input", "kernel"])
def test_gradients_are_those_of_im2col(result):
    axes = axes_of((32, 32), (4, 4), (2, 2))
    x = jax.ShapeDtypeStruct((4, 32, 32, 1, 32), "float32")
    y = jax.ShapeDtypeStruct((4, 64, 64, 1, 16), "float32")
    w = jax.ShapeDtypeStruct((4, 4, 1, 32, 16), "float32")
    a, b = (y, w) if result == "input" else (x, y)
    assert _methods.choose(a, b, result, axes, "cpu") == "im2col"


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((-2, 3),) * 2, ((9, 7),) * 2])
def test_the_polyphase_output_multiplies_as_often_as_its_ratio_says(padding):
    axes = axes_of((6, 7), (5, 4), (2, 3), padding)
    x, w = jnp.ones((2, 6, 7, 1, 3)), jnp.ones((5, 4, 1, 3, 2))
    program = jax.make_jaxpr(lambda x, w: polyphase_output(x, w, axes=axes))(x, w)
    (out,) = program.out_avals
    assert out.shape == result_shape(x, w, "output", axes)
    (convolution,) = (e for e in program.eqns if e.primitive.name == "conv_general_dilated")
    kernel = convolution.invars[1].aval.shape
    positions = np.prod([grid(axis).size for axis in axes])
    products = 2 * positions * np.prod(kernel)
    by_im2col = 2 * 6 * 7 * np.prod(w.shape)
    assert products / by_im2col == pytest.approx(product_ratio(axes))


def test_auto_stores_no_columns_where_polyphase_is_faster():
    x, w = jnp.ones((2, 16, 16, 32)), jnp.ones((4, 4, 32, 16))

    def temporary(method):
        function = jax.jit(
            lambda x, w: subpixel.conv_transpose(x, w, (2, 2), "SAME", method=method)
        )
        memory = function.lower(x, w).compile().memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes

    assert temporary("auto") == temporary("polyphase") < temporary("im2col")
