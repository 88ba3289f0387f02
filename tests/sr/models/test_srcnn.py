"""SRCNN: the paper's size, its bicubic enlargement, its border, and its tiles."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from loops import LAYOUTS, assert_close

from subpixel.image import imresize
from subpixel.sr.inference.upscaler import NetworkUpscaler
from subpixel.sr.models import ESPCNConfig, SRCNNConfig

SMALL = SRCNNConfig(scale=3, features=(6, 4), kernel_sizes=(5, 1, 3))


@pytest.mark.parametrize(
    ("sizes", "weights"), [((9, 1, 5), 8_032), ((9, 3, 5), 24_416), ((9, 5, 5), 57_184)]
)
def test_the_paper_counts_its_weights(sizes, weights):
    """Section 4.3.3 counts the kernels alone: 8,032 for 9-1-5, 24,416 and 57,184."""
    layers = SRCNNConfig(kernel_sizes=sizes).layers("subpixel")
    assert sum(int(np.prod(layer.kernel)) for layer in layers[1:]) == weights


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_each_weight_is_used_once_for_each_enlarged_pixel(scale):
    layers = SRCNNConfig(scale=scale).layers("subpixel")
    assert [layer.useful for layer in layers[1:]] == [
        scale**2 * weights for weights in (81 * 64, 64 * 32, 25 * 32)
    ]
    # The bicubic enlargement is 25 weights for each of the r**2 phases.
    assert layers[0].useful == 25 * scale**2
    executed = SRCNNConfig(scale=scale).layers("zero_insert")[0].executed
    assert executed == 25 * scale**4


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("upsampler", LAYOUTS)
def test_without_its_correction_it_is_bicubic_enlargement(scale, upsampler):
    config = replace(SMALL, scale=scale, channels=3, residual=True, input_mean=0.4, input_scale=3.0)
    model = config.build(upsampler, 0)
    model.conv3.kernel.set_value(jnp.zeros_like(model.conv3.kernel[...]))
    x = np.random.default_rng(scale).random((2, 7, 5, 3), np.float32)
    assert_close(model(jnp.asarray(x)), imresize(x, scale, border="replicate"), 1e-6)


def test_no_gradient_reaches_the_enlargement_and_one_reaches_the_input():
    # Centred, so that the input has both signs and every ReLU passes a gradient somewhere.
    graph, state = nnx.split(replace(SMALL, input_mean=0.5).build("subpixel", 0))
    x = jnp.asarray(np.random.default_rng(0).random((1, 6, 6, 1)), jnp.float32)

    def loss(params, x):
        return jnp.sum(nnx.merge(graph, params)(x) ** 2)

    params, pixels = jax.grad(loss, (0, 1))(nnx.to_pure_dict(state), x)
    assert not np.any(params["upsampler"]["kernel"])
    assert np.all(np.any(params["conv1"]["kernel"], axis=(0, 1)))
    assert np.any(pixels)


@pytest.mark.parametrize("scale", [2, 3])
def test_tiles_give_the_whole_image(scale):
    model = replace(SMALL, scale=scale).build("subpixel", 0)
    graph, state = nnx.split(model)
    x = np.random.default_rng(1).random((75, 90, 1), np.float32) * 255
    tiled = NetworkUpscaler(graph, nnx.to_pure_dict(state)).luma_unrounded(x)
    assert_close(tiled, model(jnp.asarray(x[None] / 255))[0] * 255, 1e-5)


@pytest.mark.parametrize("upsampler", LAYOUTS)
def test_a_converted_start_is_one_function_and_an_independent_one_has_its_own_fan_in(upsampler):
    config = ESPCNConfig(scale=3, upsampler_init="converted")
    x = jnp.asarray(np.random.default_rng(0).random((1, 6, 5, 1)), jnp.float32)
    expected = config.build("subpixel", 1)(x)
    assert_close(config.build(upsampler, 1)(x), expected, 1e-5)
    assert abs(ESPCNConfig(scale=3).build("subpixel", 1)(x) - expected).max() > 1e-3

    own = replace(config, upsampler_init="independent").build(upsampler, 1)
    *sizes, inputs, _ = own.upsampler.kernel.shape
    deviation = np.std(own.upsampler.kernel[...])
    assert deviation == pytest.approx((np.prod(sizes) * inputs) ** -0.5, rel=0.05)
    icnr = ESPCNConfig(scale=3).build(upsampler, 1)
    np.testing.assert_array_equal(own.conv1.kernel[...], icnr.conv1.kernel[...])
