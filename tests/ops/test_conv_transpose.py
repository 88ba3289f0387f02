"""`subpixel.conv_transpose` against `jax.lax`: values, gradients, types, errors."""

import functools
import itertools
import math
import os

import jax
import jax.numpy as jnp
import loops
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jax import lax
from jax.test_util import check_grads
from transposing import ARGS, METHODS, W, X, everything, ours, relative_error
from versions import known_options, lax_conv_transpose, mixed_conv_transpose

import subpixel
from subpixel.ops._geometry import Axis

pytestmark = pytest.mark.usefixtures("unoptimized")

# The sweep: this many programs of eight geometries each. SUBPIXEL_SWEEP=64 makes it 512.
PROGRAMS = int(os.environ.get("SUBPIXEL_SWEEP", "8"))
# Compilation is all that the sweep costs, and these take a fifth of the time.
QUICK_COMPILE = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}


@st.composite
def geometries(draw):
    """Arguments of lax.conv_transpose whose output is not empty, as (shapes, keywords)."""
    ndim = draw(st.sampled_from([1, 1, 2, 2, 3]))
    most = 3 if ndim == 3 else 6

    def per_axis(elements):
        return tuple(draw(st.lists(elements, min_size=ndim, max_size=ndim)))

    sizes = per_axis(st.integers(1, most))
    taps = per_axis(st.integers(1, most))
    strides = per_axis(st.integers(1, 4))
    dilation = per_axis(st.sampled_from([1, 1, 2, 3, 4]))
    consistent = draw(st.booleans())
    spans = [d * (k - 1) + 1 for k, d in zip(taps, dilation, strict=True)]
    padding = draw(st.sampled_from(["SAME", "VALID", "pairs", "pairs"]))
    if padding == "pairs":
        padding = []
        for size, span, s in zip(sizes, spans, strides, strict=True):
            low = draw(st.integers(-3, 7))
            # At least one pixel of output.
            least = span - s * (size - 1) - 1 - low
            high = draw(st.integers(least, least + 9))
            padding.append((span - 1 - low, span - 1 - high) if consistent else (low, high))
    elif any(n < 1 for n in _sizes(sizes, spans, strides, padding)):
        padding = "VALID"
    inputs, outputs = draw(st.integers(2, 3)), draw(st.integers(2, 3))
    transposed = draw(st.booleans())
    channels = (outputs, inputs) if transposed else (inputs, outputs)
    x = (draw(st.integers(1, 2)), *sizes, inputs)
    keywords = {
        "strides": strides,
        "padding": padding,
        "rhs_dilation": dilation,
        "transpose_kernel": transposed,
        "use_consistent_padding": consistent,
    }
    return x, (*taps, *channels), keywords


def _sizes(sizes, spans, strides, padding):
    for size, k, s in zip(sizes, spans, strides, strict=True):
        total = 2 * (k - 1) + s - 1 - (k - 1) + max(k - s, 0) if padding == "VALID" else k + s - 2
        yield s * (size - 1) + 1 + total - k + 1


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float64", 1e-12), pytest.param("float32", 1e-5, marks=pytest.mark.slow)],
)
@pytest.mark.usefixtures("x64")
def test_values_and_both_gradients_equal_lax(dtype, tolerance):
    options = known_options(QUICK_COMPILE)
    methods = {
        method: functools.partial(subpixel.conv_transpose, method=method)
        for method in ("im2col", "polyphase", "strided")
    }

    @settings(
        max_examples=PROGRAMS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.explicit, Phase.generate],
    )
    @given(st.lists(geometries(), min_size=8, max_size=8), st.integers(0, 2**31))
    def check(cases, seed):
        rng = np.random.default_rng(seed)
        arrays = []
        for x, w, keywords in cases:
            y = jax.eval_shape(
                lambda x, w, keywords=keywords: lax_conv_transpose(x, w, **keywords),
                *(jax.ShapeDtypeStruct(shape, dtype) for shape in (x, w)),
            )
            arrays.append([rng.standard_normal(s).astype(dtype) for s in (x, w, y.shape)])

        def program(arrays):
            # lax in float64 for either type: in float32 XLA's gradient of the input reads memory
            # that is not its own under some paddings, such as (6, -3) around two taps.
            return [
                (
                    [everything(f, *operands, **keywords) for f in methods.values()],
                    everything(
                        lax_conv_transpose, *(v.astype("float64") for v in operands), **keywords
                    ),
                )
                for (_, _, keywords), operands in zip(cases, arrays, strict=True)
            ]

        compiled = jax.jit(program).lower(arrays).compile(compiler_options=options)
        for case, (mine, exact) in zip(cases, compiled(arrays), strict=True):
            for method, results in zip(methods, mine, strict=True):
                for name, a, b in zip(("y", "dx", "dw"), results, exact, strict=True):
                    assert a.dtype == dtype
                    error = relative_error(a.astype("float64"), b)
                    assert error <= tolerance, (method, name, case)

    check()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("transposed", [False, True])
def test_groups_are_convolutions_side_by_side(method, transposed):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 3, 6)).astype(np.float32)
    w = rng.standard_normal((4, 3, 2, 9)).astype(np.float32)
    parts = zip(np.split(x, 3, axis=-1), np.split(w, 3, axis=-1), strict=True)
    expected = jnp.concatenate(
        [lax.conv_transpose(a, b, (2, 3), "SAME") for a, b in parts], axis=-1
    )
    if transposed:
        # (k, o, groups * i), reversed.
        w = w[::-1, ::-1].reshape(4, 3, 2, 3, 3).transpose(0, 1, 4, 3, 2).reshape(4, 3, 3, 6)
    f = functools.partial(
        subpixel.conv_transpose,
        strides=(2, 3),
        padding="SAME",
        transpose_kernel=transposed,
        feature_group_count=3,
        method=method,
    )
    assert relative_error(f(x, w), expected) < 1e-5
    check_grads(f, (x, w), order=1, modes=["rev"], rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)], ids=str)
def test_vmap_with_groups(axes):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 2, 4, 4)).astype(np.float32)
    w = rng.standard_normal((3, 3, 2, 6)).astype(np.float32)
    f = functools.partial(ours, strides=(2,), padding="SAME", feature_group_count=2)
    operands = [v if axis == 0 else v[0] for v, axis in zip((x, w), axes, strict=True)]

    def one_by_one(x, w):
        return jnp.stack(
            [f(x if axes[0] is None else x[i], w if axes[1] is None else w[i]) for i in range(3)]
        )

    g = rng.standard_normal((3, 2, 8, 6)).astype(np.float32)
    mapped, single = (everything(h, *operands, g) for h in (jax.vmap(f, axes), one_by_one))
    for a, b in zip(mapped, single, strict=True):
        assert relative_error(a, b) < 1e-5


@pytest.mark.parametrize("strides", [1, 2])
def test_auto_may_choose_native_forwards_and_keeps_both_gradients(strides):
    rng = np.random.default_rng(0)
    size = 5 * strides
    shapes = (2, 5, 5, 2), (7, 7, 2, 4), (2, size, size, 4)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    mine, theirs = (
        jax.jit(functools.partial(everything, f, strides=(strides,) * 2, padding="SAME"))(*arrays)
        for f in (subpixel.conv_transpose, lax.conv_transpose)
    )
    for a, b in zip(mine, theirs, strict=True):
        assert relative_error(a, b) < 1e-5


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("preferred", [None, "float32"])
def test_half_precision_is_no_less_exact_than_lax(dtype, preferred):
    x, w = jnp.asarray(X, dtype), jnp.asarray(W, dtype)
    keywords = {"strides": (2, 2), "padding": "SAME", "preferred_element_type": preferred}
    exact = lax.conv_transpose(*(np.asarray(v, np.float32) for v in (x, w)), *ARGS)
    g = jnp.ones(exact.shape, preferred or dtype)
    mine = everything(ours, x, w, g, **keywords)
    theirs = everything(mixed_conv_transpose, x, w, g, **keywords)
    epsilon = float(jnp.finfo(preferred or dtype).eps)
    assert relative_error(mine[0].astype(jnp.float32), exact) <= epsilon
    for a, b in zip(mine, theirs, strict=True):
        assert relative_error(a.astype(jnp.float32), b.astype(jnp.float32)) <= 4 * float(
            jnp.finfo(dtype).eps
        )
        assert a.dtype == b.dtype


@pytest.mark.parametrize("dtype", ["int8", "int32", "complex64"])
def test_other_types_are_left_to_lax(dtype):
    x, w = (10 * X).astype(dtype), (10 * W).astype(dtype)
    for method in METHODS:
        y = subpixel.conv_transpose(x, w, *ARGS, method=method)
        expected = lax.conv_transpose(x, w, *ARGS)
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("numbers", "x", "w"),
    [
        (("NCHW", "OIHW", "NCHW"), (2, 3, 4, 5), (2, 3, 3, 2)),
        (("NHWC", "HWOI", "NCWH"), (2, 4, 5, 3), (3, 2, 2, 3)),
        (("NCH", "IOH", "NHC"), (2, 3, 4), (3, 2, 3)),
        (("NHWDEC", "HWDEIO", "NHWDEC"), (1, 2, 2, 2, 2, 3), (2, 2, 2, 2, 3, 2)),
        (("NC", "IO", "NC"), (2, 3), (3, 4)),
    ],
)
@pytest.mark.parametrize("transposed", [False, True])
def test_dimension_numbers(numbers, x, w, transposed):
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in (x, w))
    if transposed:
        w = w.swapaxes(numbers[1].index("I"), numbers[1].index("O"))
    arguments = ((2,) * (x.ndim - 2), "SAME", None, numbers, transposed)
    y = ours(x, w, *arguments)
    if x.ndim < 6:
        expected = lax.conv_transpose(x, w, *arguments)
    else:  # XLA's CPU compiler has no convolution in four dimensions.
        w = w[::-1, ::-1, ::-1, ::-1].swapaxes(-1, -2) if transposed else w
        expected = loops.upsample(x, w, (2,) * 4, (1,) * 4, (4,) * 4).astype(np.float32)
    assert relative_error(y, expected) < 1e-5


@pytest.mark.parametrize("axis", [Axis(5, 4, 3, 2, 6, -2), Axis(4, 3, 5, 1, -2, 9)])
def test_index_tables_follow_the_definition(axis):
    expected = np.zeros((axis.size, axis.taps, axis.out))
    for i, t in itertools.product(range(axis.size), range(axis.taps)):
        q = axis.stride * i + axis.low - axis.dilation * t
        if 0 <= q < axis.out:
            expected[i, t, q] = 1
    unfold = np.eye(axis.out + 1)[axis.outputs()][..., :-1]
    fold = np.eye(axis.size * axis.taps + 1)[axis.sources()].sum(0)[:, :-1]
    np.testing.assert_array_equal(unfold, expected)
    np.testing.assert_array_equal(fold.T.reshape(expected.shape), expected)


def test_no_output_pixel_meets_more_taps_than_its_phase_has():
    for kernel, stride, low in itertools.product(range(1, 8), range(1, 5), (-1, 0, 2)):
        axis = Axis(9, kernel, stride, 1, low, 3 + kernel)
        assert len(axis.sources()) <= math.ceil(kernel / stride), axis


ERRORS = {
    "rank": ((X, W[0]), {}, ValueError, r"\(2, 4, 3, 2\).*\(4, 2, 3\).*same number of axes"),
    "channels": ((X, W[:, :, :1]), {}, ValueError, "2 channels and the kernel takes 1 "),
    "groups": ((X, W), {"feature_group_count": 2}, ValueError, "must divide .* 2 for 3"),
    "no groups": ((X, W), {"feature_group_count": 0}, ValueError, "at least 1; got 0"),
    "stride": ((X, W), {"strides": (2, 0)}, ValueError, r"strides must be at least 1.*\(2, 0\)"),
    "strides": ((X, W), {"strides": (2,)}, ValueError, "strides has 1 entries"),
    "stride type": ((X, W), {"strides": (2, 1.5)}, TypeError, "whole number .*1.5"),
    "one stride": ((X, W), {"strides": 2}, TypeError, "for each spatial axis; got 2"),
    "dilation": ((X, W), {"rhs_dilation": (1, -1)}, ValueError, "rhs_dilation must be at least 1"),
    "padding length": (
        (X, W),
        {"padding": [(1, 1)]},
        ValueError,
        r"a \(low, high\) pair of whole numbers for each of 2 spatial axes; got \[\(1, 1\)\]",
    ),
    "padding name": ((X, W), {"padding": "CAUSAL"}, ValueError, '"SAME", "VALID".*\'CAUSAL\''),
    "padding pairs": ((X, W), {"padding": [1, 1]}, ValueError, r"\(low, high\) pair of whole"),
    "empty": ((X, W), {"padding": [(-4, 0)] * 2}, ValueError, r"would be empty, \(.*strides"),
    "types": ((X, W.astype(np.float16)), {}, TypeError, "float32 and the kernel float16: convert"),
    "narrow": ((X, W), {"preferred_element_type": "bfloat16"}, TypeError, "narrower"),
    "method": (
        (X, W),
        {"method": "fast"},
        ValueError,
        '"auto", "im2col", "polyphase", "strided" or .*\'fast\'',
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_was_given_and_the_rule(name):
    operands, changed, kind, message = ERRORS[name]
    keywords = {"strides": (2, 2), "padding": "SAME", **changed}
    with pytest.raises(kind, match=message):
        subpixel.conv_transpose(*operands, **keywords)
