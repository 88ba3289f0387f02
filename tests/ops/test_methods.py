"""Which method "auto" takes on each platform, and what its programs cost and consist of."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from transposing import ARGS, METHODS, W, X, ours

import subpixel
from subpixel import _compat
from subpixel.ops import _methods
from subpixel.ops._geometry import Axis, resolve_padding
from subpixel.ops._native import result_shape
from subpixel.ops._polyphase import grid, polyphase_output, product_ratio


def axes_of(sizes, taps, strides, padding="SAME", dilation=1):
    spans = [dilation * (k - 1) + 1 for k in taps]
    pairs = resolve_padding(padding, sizes, spans, strides, consistent=False)
    each = zip(sizes, taps, strides, pairs, strict=True)
    return tuple(Axis(size, k, s, dilation, low, high) for size, k, s, (low, high) in each)


def choose(
    platform,
    result,
    taps=4,
    stride=2,
    outputs=16,
    *,
    ndim=2,
    dtype="float32",
    groups=1,
    low=None,
    size=32,
    dilation=1,
):
    axes = axes_of((size,) * ndim, (taps,) * ndim, (stride,) * ndim, dilation=dilation)
    if low is not None:
        axes = tuple(axis._replace(low=low) for axis in axes)
    x = jax.ShapeDtypeStruct((4, *(size,) * ndim, groups, 32), dtype)
    w = jax.ShapeDtypeStruct((*(taps,) * ndim, groups, 32, outputs), dtype)
    y = jax.ShapeDtypeStruct((4, *(axis.out for axis in axes), groups, outputs), dtype)
    operands = {"output": (x, w), "input": (y, w), "kernel": (x, y)}[result]
    return _methods.choose(*operands, result, axes, platform)


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
        ("im2col", {"taps": 4, "stride": 2, "outputs": 16, "ndim": 3, "size": 8}),
        ("im2col", {"taps": 4, "stride": 2, "outputs": 16, "dtype": "float64"}),
        ("im2col", {"taps": 4, "stride": 2, "outputs": 16, "groups": 2}),
        ("im2col", {"taps": 3, "stride": 1, "outputs": 1}),
        ("im2col", {"taps": 16, "stride": 8, "outputs": 256, "ndim": 1, "size": 2}),
        ("native", {"taps": 3, "stride": 1, "outputs": 16}),
        ("im2col", {"taps": 3, "stride": 1, "outputs": 16, "low": 3}),
    ],
)
def test_the_choice_follows_the_table(expected, case):
    assert choose("cpu", "output", **case) == expected


@pytest.mark.parametrize("result", ["input", "kernel"])
def test_gradients_are_those_of_im2col(result):
    assert choose("cpu", result) == "im2col"


@pytest.mark.parametrize("platform", ["rocm", "METAL", None])
def test_other_platforms_take_jaxs_own_convolution(platform):
    assert choose(platform, "output") == "native"


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


MIB = 2**20
LARGE = {
    "DCGAN": ((128, 16, 16, 256), (4, 4, 256, 128), 2),
    "5x5": ((64, 32, 32, 64), (5, 5, 64, 32), 2),
    "ESPCN head": ((256, 32, 32, 32), (9, 9, 32, 1), 3),
    "3-D": ((4, 32, 32, 32, 32), (3, 3, 3, 32, 16), 2),
    "31x31, stride 1": ((1, 512, 512, 1), (31, 31, 1, 1), 1),
    "513 taps of a signal": ((1, 48000, 1), (513, 1, 1), 1),
}
PROGRAMS = {
    "output": lambda f: f,
    "input gradient": lambda f: jax.grad(lambda x, w: jnp.sum(f(x, w) ** 2)),
    "kernel gradient": lambda f: jax.grad(lambda x, w: jnp.sum(f(x, w) ** 2), 1),
    "all": lambda f: jax.value_and_grad(lambda x, w: jnp.sum(f(x, w) ** 2), (0, 1)),
}


def temporary_mib(function, *shapes):
    operands = [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    memory = jax.jit(function).lower(*operands).compile().memory_analysis()
    assert memory is not None
    return memory.temp_size_in_bytes / MIB


def test_auto_stores_no_columns_where_polyphase_is_faster():
    auto, polyphase, im2col = (
        temporary_mib(
            functools.partial(
                subpixel.conv_transpose, strides=(2, 2), padding="SAME", method=method
            ),
            *((2, 16, 16, 32), (4, 4, 32, 16)),
        )
        for method in ("auto", "polyphase", "im2col")
    )
    assert auto == polyphase < im2col


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", LARGE)
def test_auto_needs_at_most_four_times_the_memory_of_lax_or_64_mib(name, program):
    x, w, stride = LARGE[name]

    def needs(function):
        def upsample(x, w):
            return function(x, w, (stride,) * (x.ndim - 2), "SAME")

        return temporary_mib(PROGRAMS[program](upsample), x, w)

    assert needs(subpixel.conv_transpose) <= max(64, 4 * needs(jax.lax.conv_transpose))


@pytest.mark.parametrize("program", ["kernel gradient", "all"])
@pytest.mark.parametrize("taps", [3, 15])
def test_gradients_of_subpixel_conv_have_the_same_bound(taps, program):
    shapes = (4, 128, 128, 32), (taps, taps, 32, 9)

    def plain(x, w):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=numbers)

    ours = temporary_mib(PROGRAMS[program](lambda x, w: subpixel.subpixel_conv(x, w, 3)), *shapes)
    assert ours <= max(64, 4 * temporary_mib(PROGRAMS[program](plain), *shapes))


def lowered_bytes(function, size):
    x, w = (jax.ShapeDtypeStruct(shape, "float32") for shape in ((1, size, 1), (32, 1, 1)))

    def upsample(x, w):
        return function(x, w, (16,), "SAME")

    return [len(jax.jit(f(upsample)).lower(x, w).as_text()) for f in PROGRAMS.values()]


@pytest.mark.parametrize("method", METHODS)
def test_no_constant_of_a_program_grows_with_the_signal(method):
    function = functools.partial(subpixel.conv_transpose, method=method)
    short, long = lowered_bytes(function, 2_000), lowered_bytes(function, 200_000)
    lax = lowered_bytes(jax.lax.conv_transpose, 200_000)
    for a, b, c in zip(short, long, lax, strict=True):
        assert b - a < 1_000
        assert b < c + 40_000


@pytest.mark.parametrize(
    ("case", "output", "gradient", "kernel"),
    [
        ({}, "strided", "strided", "strided"),
        ({"ndim": 1, "taps": 16, "stride": 8}, "strided", "strided", "strided"),
        ({"ndim": 3, "size": 8}, "strided", "strided", "strided"),
        ({"stride": 1}, "native", "strided", "strided"),
        ({"groups": 4}, "polyphase", "strided", "strided"),
        ({"groups": 4, "stride": 1}, "native", "strided", "strided"),
        ({"dilation": 2}, "im2col", "im2col", "im2col"),
        ({"dilation": 2, "stride": 1}, "native", "strided", "im2col"),
        ({"size": 3}, "im2col", "strided", "im2col"),
        ({"size": 4}, "strided", "strided", "im2col"),
        ({"ndim": 1, "size": 100_000, "taps": 100_001}, "strided", "strided", "strided"),
    ],
)
def test_the_choice_on_cuda_is_that_of_its_table(case, output, gradient, kernel):
    chosen = [choose("cuda", result, **case) for result in ("output", "input", "kernel")]
    assert chosen == [output, gradient, kernel]


def lowered(taps, platform):
    """Lowers the output and the gradients of a layer whose cotangent depends on the output."""
    x, w = np.ones((2, 5, 6, 3), np.float32), np.ones((*taps, 3, 2), np.float32)

    def f(x, w):
        y, pullback = jax.vjp(lambda x, w: ours(x, w, *ARGS), x, w)
        return y, *pullback(2 * y)

    return jax.jit(f).trace(x, w).lower(lowering_platforms=(platform,))


@pytest.mark.skipif(not _compat.can_mark_one_value(), reason="this JAX cannot mark one value")
def test_xla_does_not_inline_the_rearrangements_on_a_cpu():
    overlapping = lowered((5, 4), "cpu")
    # The output, and im2col of the cotangent for each gradient; XLA merges the last two.
    assert overlapping.as_text().count('inlineable = "false"') == 3
    assert overlapping.compile().as_text().count(" call(") == 2


@pytest.mark.parametrize(("taps", "platform"), [((2, 1), "cpu"), ((5, 4), "cuda"), ((5, 4), "tpu")])
def test_calls_are_inlined_without_overlap_and_on_other_platforms(taps, platform):
    assert "inlineable" not in lowered(taps, platform).as_text()


def test_a_gpu_s_program_has_xla_s_convolution():
    gradient = jax.jit(jax.grad(lambda x: subpixel.conv_transpose(x, W, *ARGS).sum()))
    program = gradient.trace(X).lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.convolution" in program
    assert "gather" not in program
