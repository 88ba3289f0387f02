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
        # Of the rank of x: JAX can be told to refuse a promotion of ranks.
        slope = jnp.expand_dims(self.slope[...].astype(x.dtype), tuple(range(x.ndim - 1)))
        return jnp.where(x >= 0, x, slope * x)


def activate(
    name: Activation | OutputActivation, x: Float[Array | np.ndarray, "*shape"]
) -> Float[Array, "*shape"]:
    """Applies an activation without parameters, elementwise.

    Raises:
      KeyError: if the name is "prelu", which has parameters, or unknown.
    """
    return _FUNCTIONS[name](x)
