"""The plain operations of a network are the network."""

import interpreter
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from loops import LAYOUTS, assert_close, normal

from subpixel.nnx import PhaseBias
from subpixel.sr.models import ESPCNConfig
from subpixel.sr.models.operations import convolution, upsampling


def small(**options):
    """A small network of random numbers in float32, its biases too."""
    config = ESPCNConfig(scale=2, features=(4, 3), kernel_sizes=(3, 1, 3), **options)
    model = config.build("subpixel", seed=0)
    for seed, layer in enumerate((model.conv1, model.conv2, model.bias)):
        layer.bias[...] = jnp.asarray(normal(seed, *layer.bias.shape), jnp.float32)
    model.upsampler.kernel[...] = jnp.asarray(normal(9, *model.upsampler.kernel.shape) / 4)
    return model


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "options",
    [
        {"residual": True, "input_mean": 0.45, "input_scale": 1.6, "channels": 3},
        {"bias": "shared", "output_activation": "sigmoid", "channels": 1},
        {"activation": "relu", "output_activation": "tanh", "channels": 1},
        {"activation": "prelu", "channels": 3},
    ],
)
def test_operations_compute_what_the_network_computes(layout, options):
    model = small(**options).with_upsampler(layout)
    x = np.random.default_rng(1).random((2, 5, 4, options["channels"]))
    expected = model(jnp.asarray(x, jnp.float32))
    assert_close(interpreter.run(model.operations(), x), expected, 2e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_upsampling_gives_back_every_layout_exactly(layout):
    model = small(channels=3).with_upsampler(layout)
    operation = upsampling(model.upsampler, layout, 2, model.bias)
    np.testing.assert_array_equal(operation.kernel_in(layout), model.upsampler.kernel[...])


def test_a_shared_bias_is_the_same_in_every_phase():
    model = small(channels=3, bias="shared")
    operation = upsampling(model.upsampler, "subpixel", 2, model.bias)
    assert not operation.has_phase_bias
    np.testing.assert_array_equal(
        operation.phase_bias.reshape(4, 3), np.tile(model.bias.bias[...], (4, 1))
    )


def test_a_centring_that_changes_nothing_is_no_operation():
    assert len(small().operations()) == len(small(input_mean=0.5).operations()) - 1


def test_a_convolution_without_a_bias_adds_zero():
    layer = nnx.Conv(2, 4, (3, 3), use_bias=False, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(convolution(layer).bias, np.zeros(4))


def test_another_activation_is_refused():
    with pytest.raises(ValueError, match="activation must be one of 'tanh', 'relu', 'prelu'; got"):
        small(activation=nnx.relu)


def test_the_order_of_a_bias_is_that_of_the_phases():
    bias = PhaseBias(1, (2, 2), rngs=nnx.Rngs(0))
    bias.bias[...] = jnp.arange(4.0)
    model = small(channels=1)
    operation = upsampling(model.upsampler, "subpixel", 2, bias)
    zero = [type(operation)(2, np.zeros_like(operation.kernel), operation.bias)]
    y = interpreter.run(zero, np.ones((1, 1, 1, 3)))
    np.testing.assert_array_equal(y[0, :, :, 0], [[0, 1], [2, 3]])
