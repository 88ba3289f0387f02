"""Every upsampling function under JAX's transformations, modes and shardings; layers under some.

A new function or layer joins the tests of this file with one line in `upsampling_cases.CASES`, and
a new transformation with one line in `transformations`.
"""

import contextlib
import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export, lax
from jax.experimental import checkify
from transformations import FUNCTIONS, OF_LAYERS, TRANSFORMS, WRAPPERS, loss, saved
from transposing import METHODS
from upsampling_cases import CASES, LAYERS, draw, lax_transposed, transposed

import subpixel
from subpixel import nnx as layers

# Compilation takes most of the time.
pytestmark = pytest.mark.usefixtures("unoptimized")

OF_FUNCTIONS = [case for case in CASES if case not in LAYERS]


def assert_equal(actual, expected, tolerance=2e-5):
    actual, expected = jax.tree.leaves(actual), jax.tree.leaves(expected)
    if isinstance(expected[0], str):
        assert actual == expected
        return
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = (np.asarray(v, np.float64) for v in (a, b))
        assert np.abs(a - b).max(initial=0) <= tolerance * max(np.abs(b).max(initial=0), 1e-3)


@pytest.mark.parametrize(
    ("case", "transform"),
    [
        *itertools.product(OF_FUNCTIONS, TRANSFORMS),
        *itertools.product(LAYERS, OF_LAYERS),
        *itertools.product(FUNCTIONS, WRAPPERS),
    ],
)
def test_transformations_equal_those_of_jax(case, transform):
    ours, reference, kernel = CASES[case]
    assert_equal(transformed(transform, ours, kernel), expected(transform, reference, kernel))


def transformed(transform: str, function: Callable, kernel: tuple[int, ...]):
    x, w = jnp.asarray(draw(2, 4, 6, 8)), jnp.asarray(draw(*kernel))
    try:
        return {**TRANSFORMS, **WRAPPERS}[transform](function, x, w)
    except jax.errors.JaxRuntimeError as error:
        # A backend that cannot offload says so, of ours and of lax's alike.
        if "offload" not in transform:
            raise
        return error.args[0].split(":")[0]


# Several cases have one reference.
expected = functools.cache(transformed)


MODES = {
    "strict dtype promotion": (lambda: jax.numpy_dtype_promotion("strict"), "bfloat16"),
    "strict rank promotion": (lambda: jax.numpy_rank_promotion("raise"), "float32"),
    "disable_jit": (jax.disable_jit, "float32"),
    "debug_nans": (lambda: jax.debug_nans(True), "float32"),
    "highest precision": (lambda: jax.default_matmul_precision("highest"), "float32"),
    "no implicit transfers": (lambda: jax.transfer_guard_host_to_device("disallow"), "float32"),
    "leak checks": (jax.checking_leaks, "float32"),
    "strict dtype promotion, float16": (lambda: jax.numpy_dtype_promotion("strict"), "float16"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", OF_FUNCTIONS)
def test_modes_of_jax(case, mode):
    context, dtype = MODES[mode]
    ours, reference, kernel = CASES[case]
    if mode == "no implicit transfers" and "few" in case:
        pytest.skip("a bias that is made here transfers constants")
    x, w = jnp.asarray(draw(2, 4, 6, 8), dtype), jnp.asarray(draw(*kernel), dtype)
    expected = reference(x, w), jax.grad(loss(reference), (0, 1))(x, w)
    gradients = jax.jit(jax.grad(loss(ours), (0, 1)))
    with context():
        y = ours(x, w)
    with context() if mode != "no implicit transfers" else contextlib.nullcontext():
        actual = y, gradients(x, w)
    assert_equal(actual, expected, 2e-5 if dtype == "float32" else 2e-2)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    "layer", [layers.ConvTranspose, layers.SubpixelConv, layers.ZeroInsertConv]
)
def test_a_kernel_is_drawn_under_strict_promotion(layer, dtype):
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        kernel = layer(8, 3, (4, 4), 2, param_dtype=dtype, rngs=nnx.Rngs(0)).kernel[...]
    assert kernel.dtype == dtype
    assert kernel.std() > 0


def test_precision_may_be_a_list_of_one_for_each_operand():
    x, w = draw(2, 4, 6, 8), draw(4, 4, 8, 3)
    options = {"precision": ["high", "highest"]}
    for method in METHODS:
        y = transposed(method=method, **options)(x, w)
        assert_equal(y, lax.conv_transpose(x, w, (2, 2), "SAME", **options))


ALGORITHMS = ("TF32_TF32_F32", "F16_F16_F32", "ANY_F8_ANY_F8_F32", "BF16_BF16_F32_X3")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("method", ["im2col", "polyphase", "strided", "native"])
def test_algorithms_of_matrix_products_are_those_that_a_convolution_ignores(method, algorithm):
    x, w = draw(2, 4, 6, 8), draw(4, 4, 8, 3)
    f, theirs = transposed(method=method), lax_transposed
    with jax.default_matmul_precision(algorithm):
        assert_equal(
            (f(x, w), jax.grad(loss(f), (0, 1))(x, w)),
            (theirs(x, w), jax.grad(loss(theirs), (0, 1))(x, w)),
        )
    given = transposed(method=method, precision=lax.DotAlgorithmPreset[algorithm])
    assert_equal(given(x, w), theirs(x, w))


def test_an_algorithm_may_be_a_value():
    x, w = draw(2, 4, 6, 8), draw(4, 4, 8, 3)
    algorithm = lax.DotAlgorithm(jnp.float16, jnp.float16, jnp.float32)
    assert_equal(transposed(method="im2col", precision=algorithm)(x, w), lax_transposed(x, w))


def test_a_call_whose_operands_are_constants():
    x, w = draw(2, 5, 4, 8), draw(2, 3, 8, 4)
    expected = lax.conv_transpose(x, w, (1, 1), "SAME")
    assert_equal(jax.jit(lambda: transposed(method="im2col", strides=1)(x, w))(), expected)


def test_default_precision_is_that_of_the_call_and_not_of_the_compilation():
    def traced():
        with jax.default_matmul_precision("highest"):
            return jax.make_jaxpr(transposed(method="im2col"))(draw(2, 4, 6, 8), draw(4, 4, 8, 3))

    assert "highest" in str(traced()).lower()


@pytest.mark.parametrize("name", ["dots_saveable", "nothing_saveable", "everything_saveable"])
def test_a_checkpoint_policy_saves_ours_where_it_saves_laxs(name):
    x, w = draw(2, 4, 6, 8), draw(4, 4, 8, 3)
    counts = [
        str(jax.make_jaxpr(lambda x, w, f=f: saved(name)(f, x, w))(x, w)).count(primitive)
        for f, primitive in (
            (transposed(), "subpixel_conv_transpose["),
            (lax_transposed, "conv_general_dilated["),
        )
    ]
    assert counts[0] == counts[1] == {"nothing_saveable": 4}.get(name, 3)


def test_checkify_finds_a_nan_that_ours_makes():
    x = draw(2, 4, 6, 8)
    x[0] = np.inf
    for f in (transposed(), lax_transposed):
        error, _ = checkify.checkify(f, errors=checkify.nan_checks)(x, draw(4, 4, 8, 3))
        assert "nan generated" in error.get()


@pytest.mark.parametrize("case", OF_FUNCTIONS)
@pytest.mark.parametrize("shape", [(0, 4, 6, 8), (2, 0, 6, 8)])
def test_empty_arrays(case, shape):
    ours, reference, kernel = CASES[case]
    x, w = np.zeros(shape, np.float32), draw(*kernel)
    expected = jax.eval_shape(reference, x, w)
    y, pullback = jax.vjp(ours, x, w)
    # JAX's formula gives one pixel from none; zero insertion gives r * 0.
    inserted = shape[1] == 0 and kernel == (4, 4, 8, 3) and "ero" in case
    assert y.shape == ((2, 0, *expected.shape[2:]) if inserted else expected.shape)
    assert y.dtype == expected.dtype
    dx, dw = pullback(y)
    assert dx.shape == shape
    np.testing.assert_array_equal(dw, np.zeros_like(w))


@pytest.mark.parametrize("dtype", ["int32", "complex64"])
@pytest.mark.parametrize("method", METHODS)
def test_empty_arrays_of_other_types(dtype, method):
    x, w = np.zeros((0, 4, 4, 8), dtype), np.ones((3, 3, 8, 2), dtype)
    y = subpixel.conv_transpose(x, w, (2, 2), "SAME", method=method)
    assert (y.shape, y.dtype) == ((0, 8, 8, 2), dtype)
    none = subpixel.conv_transpose(
        np.ones((2, 3, 4, 8), dtype), np.ones((3, 3, 8, 0), dtype), (2, 2), "SAME", method=method
    )
    assert none.shape == (2, 6, 8, 0)


PADDINGS = ["SAME", "VALID", [(1, 2), (0, 3)], [(-1, 0), (0, -1)], [(7, 0), (1, 1)]]


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_symbolic_sizes_export_as_those_of_lax(padding):
    b, h = export.symbolic_shape("b, h")
    w = draw(3, 4, 8, 3)
    exported = [
        export.export(jax.jit(lambda x, f=f: f(x, w, (2, 2), padding)))(
            jax.ShapeDtypeStruct((b, h, h, 8), jnp.float32)
        )
        for f in (subpixel.conv_transpose, lax.conv_transpose)
    ]
    assert exported[0].out_avals == exported[1].out_avals
    x = draw(2, 5, 5, 8)
    assert_equal(exported[0].call(x), exported[1].call(x))


@pytest.mark.parametrize(
    ("function", "kernel"),
    [
        (lambda x, w: subpixel.subpixel_conv(x, w, 2, padding=[(1, 0), (2, 1)]), (3, 3, 8, 4)),
        (lambda x, w: subpixel.zero_insert_conv(x, w, 2, padding=[(1, 0), (2, 1)]), (4, 4, 8, 4)),
        (lambda x, w: subpixel.torch_conv_transpose(x, w, None, 2, 1, 1), (8, 2, 3, 3)),
    ],
)
def test_other_functions_export_with_symbolic_sizes_and_pairs(function, kernel):
    b, h = export.symbolic_shape("b, h")
    w, x = draw(*kernel), draw(2, 5, 5, 8)
    exported = export.export(jax.jit(lambda x: function(x, w)))(
        jax.ShapeDtypeStruct((b, h, h, 8), jnp.float32)
    )
    assert_equal(exported.call(x), function(x, w))
