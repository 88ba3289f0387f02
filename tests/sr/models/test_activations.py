"""PReLU, whose derivative is written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subpixel.sr.models.activations import PReLU


def plain(x, slope):
    return jnp.where(x >= 0, x, slope * x)


def ours(x, slope):
    layer = PReLU(slope.size)
    layer.slope.set_value(slope)
    return layer(x)


@pytest.fixture
def operands(request):
    x = np.random.default_rng(0).normal(size=request.param).astype(np.float32)
    x.flat[:2] = 0.0, -0.0
    return jnp.asarray(x), jnp.linspace(-0.5, 0.5, x.shape[-1])


@pytest.mark.parametrize(
    "operands", [(2, 4, 5, 3), (7, 3), (1, 2, 3, 4, 6), (0, 2, 3)], indirect=True
)
def test_prelu_has_the_outputs_and_derivatives_of_its_formula(operands):
    def total(function):
        return lambda x, slope: jnp.sum(jnp.sin(function(x, slope)) ** 2)

    x, slope = operands
    np.testing.assert_array_equal(ours(x, slope), plain(x, slope))
    tangents = (jnp.cos(x), slope + 1)
    for each in (
        lambda function: jax.grad(total(function), argnums=(0, 1))(x, slope),
        lambda function: jax.jvp(function, operands, tangents)[1],
        lambda function: jax.jvp(jax.grad(total(function), argnums=(0, 1)), operands, tangents)[1],
    ):
        for value, expected in zip(
            jax.tree.leaves(each(ours)), jax.tree.leaves(each(plain)), strict=True
        ):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_the_slopes_maps_over_a_batch():
    x = jnp.arange(-12.0, 12.0).reshape(2, 4, 3)
    slopes = jnp.stack([jnp.ones(3), jnp.zeros(3)])
    gradient = jax.grad(lambda slope, x: ours(x, slope).sum())
    expected = jnp.where(x < 0, x, 0).sum(1)
    np.testing.assert_allclose(jax.vmap(gradient)(slopes, x), expected)


def test_an_infinite_cotangent_above_zero_leaves_the_slope_alone():
    gradient = jax.grad(lambda slope, x: jnp.sum(ours(x, slope) * jnp.inf))
    assert gradient(jnp.ones(1), jnp.ones((2, 1))).tolist() == [0.0]
