"""The reader of programs on programs of two compilers, whose work is known."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from subpixel.sr.compile import reading
from subpixel.sr.compile.program import compile_for, compile_lowered, placed

X, W, Y = (4, 8, 10, 6), (6, 4, 6, 5), (4, 16, 20, 5)
PRODUCTS = 4 * 8 * 10 * 6 * 6 * 4 * 5  # an output per input pixel and tap, borders included


def strided(y, kernel):
    """The convolution whose gradients are the transposed convolution of `X` by `W`."""
    return lax.conv_general_dilated(
        y, kernel, (2, 2), ((2, 2), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def results(x, w, g):
    """The transposed convolution, the gradient of its input and that of its kernel."""
    kernel = jnp.flip(w, (0, 1)).swapaxes(2, 3)
    shape = jax.ShapeDtypeStruct(g.shape, g.dtype)
    (y,) = jax.linear_transpose(lambda y: strided(y, kernel), shape)(x)
    (gradient,) = jax.linear_transpose(lambda kernel: strided(g, kernel), kernel)(x)
    return y, strided(g, kernel), gradient


def shapes(dtype):
    return [jax.ShapeDtypeStruct(shape, dtype) for shape in (X, W, Y)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("fused", [False, True], ids=["custom calls", "fusions"])
def test_each_result_of_a_strided_convolution_is_one_call(h100, dtype, fused):
    options = {"xla_gpu_experimental_enable_conv_fusion": fused}
    placed_shapes = placed(shapes(dtype), h100, None)
    program = compile_lowered(h100, lambda: jax.jit(results).lower(*placed_shapes), options)
    assert reading.count_kinds(program.calls) == {
        "convForward": 1,
        "convBackwardInput": 1,
        "convBackwardFilter": 1,
    }
    assert {call.multiply_adds for call in program.calls} == {PRODUCTS}
    assert not reading.zero_insertions(program.module)


def test_jax_s_transposed_convolution_inserts_zeros_on_a_gpu(h100):
    function = functools.partial(lax.conv_transpose, strides=(2, 2), padding="SAME")
    program = compile_for(h100, function, *shapes("float32")[:2])
    (call,) = program.calls
    assert (call.kind, call.multiply_adds) == ("convForward", 4 * PRODUCTS)
    (inserted,) = reading.zero_insertions(program.module)
    assert inserted.sizes[0] == 4
    assert inserted.elements > 4 * 16 * 20 * 6 * 0.9


def test_matrix_products_are_counted(h100):
    a, b = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((256, 512), (512, 384)))
    program = compile_for(h100, lambda a, b: jax.nn.relu(a @ b), a, b)
    assert [(call.kind, call.multiply_adds) for call in program.calls] == [
        ("gemm", 256 * 512 * 384)
    ]


def test_cycles_are_divided_by_purpose(v5e):
    program = compile_for(v5e, results, *shapes("float32"))
    cycles = reading.estimated_cycles(program.module)
    assert cycles["convolution"] > 0
    assert cycles["convolution"] < program.cycles
    assert program.cycles == sum(cycles.values())
