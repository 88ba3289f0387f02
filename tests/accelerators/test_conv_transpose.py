"""What "auto" becomes on GPUs and TPUs: library calls, zero insertion, memory, cycles."""

import functools
import math

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import subpixel
from subpixel.sr.compile import reading
from subpixel.sr.compile.geometries import GEOMETRIES
from subpixel.sr.compile.program import compile_for, compile_lowered, placed, target_mesh
from subpixel.sr.compile.transposed import LAX, compile_geometry

BY_NAME = {geometry.name: geometry for geometry in GEOMETRIES}
ONE_EACH = {reading.FORWARD: 1, reading.BACKWARD_INPUT: 1, reading.BACKWARD_FILTER: 1}
X, W = (8, 12, 14, 16), (4, 4, 16, 6)


def shapes(*sizes, dtype="float32"):
    return [jax.ShapeDtypeStruct(size, dtype) for size in sizes]


def upsample(x, w, **options):
    options = {"strides": (2,) * (x.ndim - 2), "padding": "SAME", **options}
    return subpixel.conv_transpose(x, w, **options)


def with_gradients(function, *arguments):
    """The result, and the gradients of the sum of its squares."""
    y, pullback = jax.vjp(function, *arguments)
    return y, pullback(2 * y)


def assert_one_call_for_each_result(program):
    assert reading.count_kinds(program.calls) == ONE_EACH
    assert not reading.zero_insertions(program.module)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", BY_NAME)
def test_each_result_is_one_call_of_cudnn(h100, name, dtype):
    geometry = BY_NAME[name]
    program = compile_geometry(geometry, dtype, "auto", "gradients", h100)
    assert_one_call_for_each_result(program)
    useful = math.prod(geometry.x[:-1]) * math.prod(geometry.kernel)
    assert {call.multiply_adds for call in program.calls} == {useful}
    # The cotangent, and at most a crop and a pad of it.
    item = jnp.dtype(dtype).itemsize
    largest = max(math.prod(geometry.x), math.prod(geometry.y))
    assert program.memory.temporaries < 4 * largest * item


@pytest.mark.parametrize("name", ["ESPCN x3 head", "DCGAN", "audio", "3-D 3"])
def test_jaxs_own_convolution_inserts_zeros(h100, name):
    geometry = BY_NAME[name]
    program = compile_geometry(geometry, "float32", LAX, "gradients", h100)
    assert reading.zero_insertions(program.module)
    ours = compile_geometry(geometry, "float32", "auto", "gradients", h100)
    theirs, mine = (sum(call.multiply_adds for call in p.calls) for p in (program, ours))
    assert theirs > 1.5 * mine


PADDINGS = ("SAME", "VALID", [(1, 3), (2, 2)], [(0, 0), (3, 3)], [(-1, 2), (2, -2)],
            [(6, 5), (4, 7)])  # fmt: skip
SINGLE_CALLS = {
    **{f"padding {padding}": (X, W, {"padding": padding}) for padding in PADDINGS},
    **{
        f"precision {precision}": (X, W, {"precision": precision})
        for precision in ("default", "high", "highest", "tensorfloat32")
    },
    "odd kernel": (X, (3, 5, 16, 6), {"strides": (2, 3)}),
    "kernel smaller than the stride": (X, (2, 2, 16, 6), {"strides": (4, 3)}),
    "one axis": ((8, 100, 16), (16, 16, 6), {"strides": (8,)}),
    "three axes": ((2, 6, 7, 8, 16), (3, 2, 4, 16, 6), {"strides": (2, 2, 3)}),
    "a kernel of one column": (X, (4, 1, 16, 6), {"strides": (2, 1)}),
}


def compiled(target, x, w, options):
    function = functools.partial(with_gradients, functools.partial(upsample, **options))
    return compile_for(target, function, *shapes(x, w))


@pytest.mark.parametrize("name", SINGLE_CALLS)
def test_each_padding_precision_and_size_is_one_call_for_each_result(h100, name):
    assert_one_call_for_each_result(compiled(h100, *SINGLE_CALLS[name]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_layer_with_bias_and_activation(h100, dtype):
    def layer(x, w, bias):
        return jax.nn.relu(upsample(x, w) + bias)

    arguments = shapes(X, W, (6,), dtype=dtype)
    program = compile_for(h100, functools.partial(with_gradients, layer), *arguments)
    assert_one_call_for_each_result(program)


def test_under_vmap_of_the_batch(h100):
    mapped = jax.vmap(upsample, (0, None))
    program = compile_for(h100, functools.partial(with_gradients, mapped), *shapes((3, *X), W))
    assert_one_call_for_each_result(program)


def test_under_checkpoint_the_output_is_computed_once_more(h100):
    def loss(x, w):
        return jnp.sum(jax.checkpoint(lambda x: jnp.sin(upsample(jnp.sin(x), w)))(x) ** 2)

    program = compile_for(h100, jax.grad(loss, (0, 1)), *shapes(X, W))
    counts = reading.count_kinds(program.calls)
    assert set(counts) == set(ONE_EACH)
    assert counts[reading.BACKWARD_INPUT] <= 2
    assert not reading.zero_insertions(program.module)


def test_a_batch_over_sixteen_devices(h100s):
    mesh = target_mesh(h100s)
    x = placed(shapes((16 * 8, *X[1:]))[0], h100s, mesh, divided=True)
    w = placed(shapes(W)[0], h100s, mesh)
    program = compile_lowered(
        h100s, lambda: jax.jit(functools.partial(with_gradients, upsample)).lower(x, w)
    )
    assert_one_call_for_each_result(program)
    assert set(reading.collectives(program.module)) <= {"all-reduce"}


OTHERS = {
    "groups": (X, (4, 4, 4, 8), {"feature_group_count": 4}),
    "depthwise": (X, (4, 4, 1, 16), {"feature_group_count": 16}),
    "dilated kernel": (X, (3, 3, 16, 6), {"rhs_dilation": (2, 2)}),
    "dilated kernel, stride 1": (X, (3, 3, 16, 6), {"rhs_dilation": (2, 2), "strides": (1, 1)}),
    "stride 1": (X, (3, 3, 16, 6), {"strides": (1, 1)}),
    "kernel larger than the input": ((8, 3, 3, 16), (4, 4, 16, 6), {}),
    "input of one pixel": ((8, 1, 1, 16), (4, 4, 16, 6), {"padding": "VALID"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_cudnn_has_no_call_for_inserts_no_zeros_either(h100, name):
    assert not reading.zero_insertions(compiled(h100, *OTHERS[name]).module)


def test_vmapped_kernels_insert_no_zeros(h100):
    mapped = jax.vmap(upsample)
    program = compile_for(
        h100, functools.partial(with_gradients, mapped), *shapes((3, *X), (3, *W))
    )
    assert not reading.zero_insertions(program.module)


def cycles(v5e, name, dtype, method):
    return compile_geometry(BY_NAME[name], dtype, method, "gradients", v5e).cycles


NEAR_THE_BEST = [
    ("autoencoder", "float32"),
    *(pytest.param(name, dtype, marks=pytest.mark.slow)
      for name in BY_NAME for dtype in ("float32", "bfloat16")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "dtype"), NEAR_THE_BEST)
def test_auto_on_a_tpu_is_near_the_best_method_of_a_geometry(v5e, name, dtype):
    chosen = cycles(v5e, name, dtype, "auto")
    others = {
        method: cycles(v5e, name, dtype, method)
        for method in (LAX, "native", "strided", "polyphase", "im2col")
    }
    assert chosen <= others[LAX]
    assert chosen <= 1.1 * min(others.values()), others


def test_lax_and_ours_have_the_same_kernel_gradient_at_stride_1(h100):
    counts = [
        reading.count_kinds(
            compile_for(
                h100,
                functools.partial(
                    with_gradients, functools.partial(f, strides=(1, 1), padding="SAME")
                ),
                *shapes(X, (3, 3, 16, 6)),
            ).calls
        )
        for f in (lax.conv_transpose, subpixel.conv_transpose)
    ]
    assert counts[0] == counts[1]
