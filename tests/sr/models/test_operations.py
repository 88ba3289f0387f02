"""The parts of the list of operations that no network of the union shows."""

import interpreter
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from subpixel.nnx import PhaseBias
from subpixel.sr.models import ESPCNConfig
from subpixel.sr.models.operations import convolution, upsampling


def small(**options):
    config = ESPCNConfig(scale=2, features=(4, 3), kernel_sizes=(3, 1, 3), **options)
    return config.build("subpixel", seed=0)


def test_a_shared_bias_is_the_same_in_every_phase():
    model = small(channels=3, bias="shared")
    model.bias.bias[...] = jnp.arange(3.0)
    operation = upsampling(model.upsampler, "subpixel", 2, model.bias)
    assert not operation.has_phase_bias
    np.testing.assert_array_equal(operation.phase_bias.reshape(4, 3), [[0, 1, 2]] * 4)


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
    operation = upsampling(small(channels=1).upsampler, "subpixel", 2, bias)
    zero = [type(operation)(2, np.zeros_like(operation.kernel), operation.bias)]
    y = interpreter.run(zero, np.ones((1, 1, 1, 3)))
    np.testing.assert_array_equal(y[0, :, :, 0], [[0, 1], [2, 3]])
