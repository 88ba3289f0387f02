"""The layers, Flax NNX and Linen, are the functions with parameters."""

import re

import jax
import jax.numpy as jnp
import loops
import numpy as np
import pytest
from flax import nnx
from loops import assert_close, assert_same_tree, normal, normal_init

from subpixel import layers, linen, pixel_shuffle, subpixel_conv, zero_insert_conv

pytestmark = pytest.mark.usefixtures("unoptimized")

IN, OUT, SIZE, SCALE = 3, 2, (4, 6), (2, 3)
X = normal(0, 2, 5, 7, IN).astype(np.float32)

LAYERS = pytest.mark.parametrize("name", ["SubpixelConv", "ZeroInsertConv"])
FLAVOURS = pytest.mark.parametrize("flavour", ["nnx", "linen"])


def function_of(name, params, x, **options):
    kernel, bias = params["kernel"], params.get("bias")
    if name == "SubpixelConv":
        return subpixel_conv(x, kernel, SCALE, bias=bias, **options)
    y = zero_insert_conv(x, kernel, SCALE, **options)
    return y if bias is None else y + bias


def build(name, flavour, *, scale=SCALE, **options):
    """Returns a layer's parameters by name, and the layer as a function of them and an input."""
    options = {"kernel_init": normal_init, "bias_init": normal_init, **options}
    if flavour == "linen":
        module = getattr(linen, name)(OUT, SIZE, scale, **options)
        params = module.init(jax.random.key(0), X)["params"]
        return params, lambda params, x: module.apply({"params": params}, x)
    layer = getattr(layers, name)(IN, OUT, SIZE, scale, rngs=nnx.Rngs(0), **options)
    graph, state = nnx.split(layer)
    return nnx.to_pure_dict(state), lambda params, x: nnx.merge(graph, params)(x)


@FLAVOURS
@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {"padding": padding}) for name in ("SubpixelConv", "ZeroInsertConv")
          for padding in ("SAME", "VALID", [(1, 2), (2, 3)])),
        ("SubpixelConv", {"order": "crd"}),
    ],
)  # fmt: skip
def test_layer_is_the_function_with_its_parameters(name, options, flavour):
    params, apply = build(name, flavour, **options)
    phases = 6 if name == "SubpixelConv" else 1
    shapes = {"kernel": (*SIZE, IN, phases * OUT), "bias": (phases * OUT,)}
    assert jax.tree.map(jnp.shape, params) == shapes
    expected = function_of(name, params, X, **options)
    np.testing.assert_array_equal(apply(params, X), expected)
    # And more batch axes than one, of which each is a batch.
    assert_close(apply(params, X[:, None]), expected[:, None], 1e-6)


@FLAVOURS
@LAYERS
def test_without_a_bias_there_is_no_parameter_for_it(name, flavour):
    params, apply = build(name, flavour, use_bias=False)
    assert set(params) == {"kernel"}
    np.testing.assert_array_equal(apply(params, X), function_of(name, params, X))


@FLAVOURS
@LAYERS
@pytest.mark.parametrize(
    ("dtype", "param_dtype", "computed"),
    [
        (None, "float32", "float32"),
        (None, "bfloat16", "float32"),
        ("bfloat16", "float32", "bfloat16"),
        ("float32", "bfloat16", "float32"),
    ],
)
def test_dtypes(name, flavour, dtype, param_dtype, computed):
    params, apply = build(name, flavour, dtype=dtype, param_dtype=jnp.dtype(param_dtype))
    assert {array.dtype for array in jax.tree.leaves(params)} == {jnp.dtype(param_dtype)}
    y = apply(params, X)
    assert y.dtype == computed
    cast = jax.tree.map(lambda array: jnp.asarray(array, computed), (params, X))
    np.testing.assert_array_equal(y, function_of(name, *cast))


@FLAVOURS
@LAYERS
def test_gradients_of_all_parameters(name, flavour):
    params, apply = build(name, flavour)
    cotangent = normal(1, 2, 10, 21, OUT).astype(np.float32)

    def gradients(function):
        return loops.jit(jax.grad(lambda params: (function(params, X) * cotangent).sum()))(params)

    assert_same_tree(gradients(apply), gradients(lambda *args: function_of(name, *args)), 1e-6)


def test_pixel_shuffle_layers_pass_the_order_on():
    x = jnp.arange(48).reshape(1, 2, 3, 8)
    expected = pixel_shuffle(x, 2, order="crd")
    np.testing.assert_array_equal(layers.PixelShuffle(2, order="crd")(x), expected)
    np.testing.assert_array_equal(linen.PixelShuffle(2, order="crd").apply({}, x), expected)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("scales", [(3,), (2, 3), (2, 1, 2)])
def test_phase_bias_is_the_bias_before_the_shuffle(scales):
    ndim = len(scales)
    layer = layers.PhaseBias(
        OUT, scales, bias_init=normal_init, param_dtype=jnp.float64, rngs=nnx.Rngs(0)
    )
    bias = layer.bias[...]
    assert bias.shape == (np.prod(scales) * OUT,)
    x = normal(0, 2, *(3, 2, 2)[:ndim], IN)
    kernel = normal(1, *(2 for _ in scales), IN, np.prod(scales) * OUT)
    expected = subpixel_conv(x, kernel, scales, bias=bias)
    assert_close(layer(subpixel_conv(x, kernel, scales)), expected, 1e-14)


def test_phase_bias_at_a_scale_of_1_is_an_ordinary_bias_in_the_inputs_dtype():
    layer = layers.PhaseBias(OUT, (1, 1), bias_init=normal_init, rngs=nnx.Rngs(0))
    x = jnp.asarray(normal(0, 2, 3, 5, OUT), jnp.bfloat16)
    y = layer(x)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y, x + layer.bias[...].astype(jnp.bfloat16))


@FLAVOURS
@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        *((name, {"scale": scale}, error, message)
          for name in ("SubpixelConv", "ZeroInsertConv")
          for scale, error, message in (
            (1, ValueError, "scale must be at least 2; got 1"),
            (2.5, TypeError, "scale must be a whole number.*got 2.5"),
            ("3", TypeError, "scale must be a whole number.*got '3'"),
            ((2, 2, 2), ValueError, "scale has 3 entries.*2 spatial axes"),
          )),
        ("SubpixelConv", {"order": "cdr"}, ValueError, r"order must be.*got 'cdr'"),
    ],
)  # fmt: skip
def test_bad_options_are_refused_before_anything_is_drawn(name, options, error, message, flavour):
    def draw(*_):
        raise AssertionError("a parameter was drawn")

    with pytest.raises(error, match=message):
        build(name, flavour, kernel_init=draw, **options)


def test_zero_insertion_refuses_same_of_a_kernel_that_the_scale_does_not_divide():
    layer = layers.ZeroInsertConv(IN, OUT, (4, 5), SCALE, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"multiple of the scale.*size of 5 and a scale of 3"):
        layer(X)


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("function", [subpixel_conv, zero_insert_conv])
@pytest.mark.parametrize(
    ("x", "kernel", "scale", "message"),
    [
        ((1, 4, 4, 3), (4, 4, 5, 4), 2, "input has 3 channels and the kernel takes 5"),
        ((4, 3), (4, 4, 3, 4), 2, r"shape \(4, 3\) cannot be convolved.*\(4, 4, 3, 4\)"),
        ((1, 4, 4, 3), (3, 4), 2, "d = 1, 2 or 3"),
        ((1, 4, 4, 3), (4, 4, 3, 4), 1, "at least 2; got 1"),
    ],
)
def test_functions_refuse_operands_that_do_not_fit(function, x, kernel, scale, message):
    with pytest.raises(ValueError, match=message):
        function(jnp.zeros(x), jnp.zeros(kernel), scale)


@pytest.mark.parametrize("function", [subpixel_conv, zero_insert_conv])
@pytest.mark.parametrize(
    "padding", ["FULL", 3, [1, 1], [(1, 1)], [(1, 1)] * 3, {(0, 1), (1, 0)}, [(1.0, 1), (1, 1)]]
)
def test_functions_refuse_padding_that_does_not_fit(function, padding):
    message = f'padding must be "SAME", "VALID" or .* each of 2 .*got {re.escape(repr(padding))}'
    with pytest.raises(ValueError, match=message):
        function(jnp.zeros((1, 4, 4, 3)), jnp.zeros((4, 4, 3, 4)), 2, padding=padding)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("size", "padding"), [((2, 3), "SAME"), ((3, 2), "VALID"), ((2, 2), ((1, 0), (2, 1)))]
)
def test_few_outputs_of_many_inputs_have_the_values_and_gradients_of_a_plain_convolution(
    size, padding
):
    """Their gradients take another way."""
    x, kernel = jnp.asarray(normal(0, 2, 5, 4, 12)), jnp.asarray(normal(1, *size, 12, 4))

    def plain(x, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=numbers)
        return pixel_shuffle(y, 2)

    def values_and_gradients(function):
        y, pullback = jax.vjp(function, x, kernel)
        return y, pullback(jnp.asarray(normal(2, *y.shape)))

    ours = loops.jit(
        lambda: values_and_gradients(lambda x, k: subpixel_conv(x, k, 2, padding=padding))
    )
    assert_same_tree(ours(), loops.jit(lambda: values_and_gradients(plain))(), 1e-12)
