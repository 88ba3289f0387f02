"""Array helpers that the image functions share, for NumPy and JAX."""

from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Shaped, UInt8

if TYPE_CHECKING:
    import jax.numpy as jnp
    from jax import Array
else:
    try:
        import jax.numpy as jnp
        from jax import Array
    except ImportError:
        # Upscaling with ONNX Runtime works without JAX; then all arrays are NumPy's.
        jnp, Array = np, np.ndarray

ImageArray = TypeVar("ImageArray", np.ndarray, Array)


def namespace(image) -> ModuleType:
    """Returns `jax.numpy` for an array of JAX, else `numpy`."""
    return jnp if isinstance(image, Array) else np


def as_float(image):
    """Converts to floating point: float32 and float64 stay, other types get the default.

    NumPy's default is float64, JAX's is float32 unless x64 is enabled.
    """
    xp = namespace(image)
    if image.dtype in (np.float32, np.float64):
        return image
    return image.astype(xp.asarray(0.0).dtype)


def to_uint8(image: Shaped[ImageArray, "*shape"]) -> UInt8[ImageArray, "*shape"]:
    """Clips to 0..255 and rounds halves up, as MATLAB's `uint8` does.

    Args:
      image: an array of any shape and real type.

    Returns:
      The same shape, uint8.
    """
    xp = namespace(image)
    return xp.floor(xp.clip(image, 0, 255) + 0.5).astype(xp.uint8)


def validate_image(image) -> None:
    """Raises ValueError unless the array has the shape (..., h, w, c)."""
    if image.ndim < 3 or 0 in image.shape:
        raise ValueError(
            "an image must have the shape (..., height, width, channels), none of them 0; "
            f"got {image.shape}"
        )
