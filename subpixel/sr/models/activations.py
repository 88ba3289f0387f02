"""Activations of the networks, by name."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from subpixel.sr.activation_names import Activation, OutputActivation

_FUNCTIONS: dict[str, Any] = {
    "none": lambda x: x,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
}


class PReLU(nnx.Module):
    """ReLU whose slope for negative values is learned, one for each channel.

    Args:
      features: channels of the input.
      param_dtype: of the slopes, which start at 0.25.

    Reference: He et al., "Delving deep into rectifiers", arXiv 1502.01852.
    """

    def __init__(self, features: int, *, param_dtype: Dtype = jnp.float32):
        self.slope = nnx.Param(jnp.full((features,), 0.25, param_dtype))

    def __call__(
        self, x: Float[Array | np.ndarray, "*shape features"]
    ) -> Float[Array, "*shape features"]:
        """(..., features) -> the same shape."""
        return _prelu(jnp.asarray(x), self.slope[...].astype(x.dtype))


@jax.custom_jvp
def _prelu(x: Float[Array, "*shape c"], slope: Float[Array, " c"]) -> Float[Array, "*shape c"]:
    """Returns x where it is positive, and the slope times x elsewhere."""
    return jnp.where(x >= 0, x, _of_rank(slope, x.ndim) * x)


@_prelu.defjvp
def _prelu_jvp(
    primals: tuple[Float[Array, "*shape c"], Float[Array, " c"]],
    tangents: tuple[Float[Array, "*shape c"], Float[Array, " c"]],
) -> tuple[Float[Array, "*shape c"], Float[Array, "*shape c"]]:
    """Returns the output and its tangent.

    A product with ones repeats the slopes' tangent for each pixel, so their gradient is a product
    too. JAX's own is a sum over the pixels, which takes up to a third of a training step on a CPU:
    research/cpu.md.
    """
    x, slope = primals
    x_tangent, slope_tangent = tangents
    ones = jnp.ones((x.size // slope.size, 1), x.dtype)
    # "highest": on every device the tangent is repeated as it is.
    repeated = jnp.matmul(ones, slope_tangent[None], precision="highest").reshape(x.shape)
    below = _of_rank(slope, x.ndim) * x_tangent + x * repeated
    return _prelu(x, slope), jnp.where(x >= 0, x_tangent, below)


def _of_rank(slope: Float[Array, " c"], rank: int) -> Float[Array, "... c"]:
    """Returns the slopes with leading axes of size 1: JAX can be told to refuse other ranks."""
    return jnp.expand_dims(slope, tuple(range(rank - 1)))


def activate(
    name: Activation | OutputActivation, x: Float[Array | np.ndarray, "*shape"]
) -> Float[Array, "*shape"]:
    """Applies an activation without parameters, elementwise.

    Raises:
      KeyError: if the name is "prelu", which has parameters, or unknown.
    """
    return _FUNCTIONS[name](x)
