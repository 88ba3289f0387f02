"""Arguments of the layers and functions: what is kept of them, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from subpixel import (
    conv_transpose,
    kernels,
    layers,
    linen,
    pixel_shuffle,
    pixel_unshuffle,
    subpixel_conv,
    torch_conv_transpose,
)

pytestmark = pytest.mark.usefixtures("unoptimized")

IMAGE = np.random.default_rng(0).standard_normal((2, 5, 4, 8)).astype(np.float32)
LINE = IMAGE[:, :, 0]
PAIRS = [[1, 2], [0, 3]]

# Options that may be lists or arrays, and the same as tuples.
CASES = [
    ("SubpixelConv", {"kernel_size": [3, 2], "scale": [2, 3], "padding": PAIRS,
                      "precision": ["high", "high"]}),
    ("SubpixelConv", {"kernel_size": np.array([3, 2]), "scale": np.array([2, 3]),
                      "padding": np.array(PAIRS)}),
    ("SubpixelConv", {"kernel_size": jnp.array([3, 2]), "scale": jnp.array([2, 3]),
                      "padding": "same"}),
    ("ZeroInsertConv", {"kernel_size": [4, 3], "scale": [2, 3], "padding": PAIRS}),
    ("ZeroInsertConv", {"kernel_size": np.array([4, 3]), "scale": np.array([2, 3])}),
    ("ConvTranspose", {"kernel_size": [3, 2], "strides": [2, 3], "padding": PAIRS,
                       "kernel_dilation": [1, 2]}),
    ("ConvTranspose", {"kernel_size": [3, 2], "strides": np.array([2, 3]),
                       "precision": ["high", "high"]}),
]  # fmt: skip


def tuples(value):
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(map(tuples, value)) if isinstance(value, list) else value


@pytest.mark.parametrize("flavour", ["nnx", "linen"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_layer_of_lists_is_that_of_tuples_and_can_be_hashed(name, options, flavour):
    same = {key: tuples(value) for key, value in options.items()}
    if flavour == "nnx":
        make = getattr(layers, name)
        layer, expected = (make(8, 2, **o, rngs=nnx.Rngs(0)) for o in (options, same))
        static, state = nnx.split(layer)
        same_static, y = nnx.graphdef(expected), expected(IMAGE)
        apply = jax.jit(lambda g, s, x: nnx.merge(g, s)(x), static_argnums=0)
    else:
        static, same_static = (getattr(linen, name)(2, **o) for o in (options, same))
        state = same_static.init(jax.random.key(0), IMAGE)
        y = same_static.apply(state, IMAGE)
        apply = jax.jit(lambda module, s, x: module.apply(s, x), static_argnums=0)
    assert hash(static) == hash(same_static)
    assert static == same_static
    np.testing.assert_allclose(apply(static, state, IMAGE), y, rtol=1e-5, atol=1e-6)


def test_a_swapped_layer_of_lists_can_be_hashed():
    flax = nnx.ConvTranspose(
        8, 2, [3, 2], [2, 2], padding=[(1, 2), (0, 3)], kernel_dilation=[1, 2], rngs=nnx.Rngs(0)
    )
    ours = layers.swap_conv_transpose(flax)[""]
    assert isinstance(hash(nnx.graphdef(ours)), int)
    np.testing.assert_allclose(ours(IMAGE), flax(IMAGE), rtol=1e-4, atol=1e-5)


SEQUENCES = [[2, 2], (2, 2), np.array([2, 2]), jnp.array([2, 2]), (np.int64(2), np.uint8(2))]
NUMBERS = [np.array(2), np.int8(2), jnp.int32(2)]


@pytest.mark.parametrize("scale", [*SEQUENCES, *NUMBERS])
def test_the_scale_of_a_shuffle_may_be_any_sequence_array_or_whole_number(scale):
    expected = pixel_shuffle(IMAGE, 2)
    layer = layers.PixelShuffle(scale)
    assert layer.scale == (2 if np.ndim(scale) == 0 else (2, 2))
    graph, state = nnx.split(layer)
    assert isinstance(hash(graph), int)
    for y in (
        pixel_shuffle(IMAGE, scale),
        layer(IMAGE),
        jax.jit(lambda g, s, x: nnx.merge(g, s)(x), static_argnums=0)(graph, state, IMAGE),
        jax.jit(linen.PixelShuffle(scale).apply)({}, IMAGE),
        pixel_shuffle(pixel_unshuffle(expected, scale), scale),
    ):
        np.testing.assert_array_equal(y, expected)
    if np.ndim(scale):
        several = pixel_shuffle(np.broadcast_to(IMAGE, (3, *IMAGE.shape)), scale)
        np.testing.assert_array_equal(several[1], expected)
    kernel = jnp.arange(256).reshape(4, 4, 8, 2)
    np.testing.assert_array_equal(
        kernels.convert(kernel, scale, "zero_insert", "subpixel"),
        kernels.convert(kernel, 2, "zero_insert", "subpixel"),
    )


@pytest.mark.parametrize("layer", [layers.PixelShuffle, linen.PixelShuffle])
@pytest.mark.parametrize(
    ("scale", "error", "message"),
    [
        (1, ValueError, "scale must be at least 2; got 1"),
        ((), ValueError, r"scale must be at least 2; got \(\)"),
        (2.0, TypeError, "scale must be a whole number.*got 2.0"),
        (np.array([2.0, 2.0]), TypeError, "scale must be a whole number.*got array"),
        ({2, 3}, TypeError, "scale must be a whole number.*got {2, 3}"),
        ({2: 3}, TypeError, "scale must be a whole number.*got {2: 3}"),
        (b"22", TypeError, "scale must be a whole number.*got b'22'"),
        (None, TypeError, "scale must be a whole number.*got None"),
    ],
)
def test_a_scale_that_means_nothing_is_refused_where_it_is_given(layer, scale, error, message):
    with pytest.raises(error, match=message):
        layer(scale)


@pytest.mark.parametrize("size", [3, np.int64(3), np.array(3)])
@pytest.mark.parametrize("name", ["SubpixelConv", "ZeroInsertConv"])
def test_one_number_as_kernel_size_means_one_axis_and_refuses_an_image(name, size):
    message = (
        r"kernel_size of 3 .* one spatial axis; got .*\(2, 5, 4, 8\): give \(3, 3\) for images"
    )
    layer = getattr(layers, name)(8, 2, size, 3, rngs=nnx.Rngs(0))
    module = getattr(linen, name)(2, size, 3)
    for call in (layer, jax.jit(layer), lambda x: module.init(jax.random.key(0), x)):
        with pytest.raises(ValueError, match=message):
            call(IMAGE)
    # Lines are one axis, and a tuple allows any number of batch axes.
    assert layer(LINE).shape == (2, 15, 2)
    assert layer(LINE[0]).shape == (15, 2)
    assert module.init_with_output(jax.random.key(0), LINE)[0].shape == (2, 15, 2)
    wide = getattr(layers, name)(8, 2, (3,), 3, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(wide(IMAGE)[1], layer(IMAGE[1]), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("shape", [(1,), (4,), (5, 2), ()])
def test_a_bias_that_would_broadcast_is_refused(shape):
    bias = np.ones(shape, np.float32)
    with pytest.raises(ValueError, match=r"each of 8 channels, shape \(8,\); got the shape"):
        subpixel_conv(IMAGE, np.ones((3, 3, 8, 8), np.float32), 2, bias=bias)
    with pytest.raises(ValueError, match=r"each of 3 channels, shape \(3,\); got the shape"):
        torch_conv_transpose(IMAGE, np.ones((8, 3, 2, 2), np.float32), bias, stride=2)
    if shape != (1,):
        with pytest.raises(ValueError, match=r"each of 1 channels, shape \(1,\)"):
            torch_conv_transpose(IMAGE, np.ones((8, 1, 2, 2), np.float32), bias, stride=2)


@pytest.mark.usefixtures("without_shape_checks")
def test_the_bias_of_phases_is_refused_where_it_would_broadcast():
    layer = layers.PhaseBias(4, [2, 2], rngs=nnx.Rngs(0))
    assert layer.scale == (2, 2)
    assert isinstance(hash(nnx.graphdef(layer)), int)
    for channels in (1, 3):
        with pytest.raises(ValueError, match=r"bias for 4 channels does not fit .*last axis"):
            layer(jnp.ones((1, 4, 4, channels)))
    with pytest.raises(TypeError, match=r"scale must be a whole number for each .*got 2"):
        layers.PhaseBias(4, 2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="a bias has one axis"):
        kernels.bias_to_phases(jnp.ones((1, 4)), 2)


@pytest.mark.parametrize("stride", [2, np.uint8(2), [2, 2], np.array([2, 2]), np.array(2)])
def test_pytorchs_arguments_may_be_arrays_of_any_integer_type(stride):
    weight = np.random.default_rng(1).standard_normal((8, 3, 4, 4)).astype(np.float32)
    expected = torch_conv_transpose(IMAGE, weight, stride=2, padding=1)
    y = torch_conv_transpose(IMAGE, weight, stride=stride, padding=np.array([1, 1], np.int8))
    np.testing.assert_array_equal(y, expected)


def test_strides_that_mean_nothing_are_refused():
    weight = np.ones((8, 3, 4, 4), np.float32)
    with pytest.raises(TypeError, match=r"stride must be a whole number.*got {1, 2}"):
        torch_conv_transpose(IMAGE, weight, stride={1, 2})
    with pytest.raises(TypeError, match=r"strides must be a whole number.*got 2"):
        conv_transpose(IMAGE, weight.transpose(2, 3, 0, 1), 2, "SAME")
