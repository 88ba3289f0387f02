"""Array helpers that the image functions share, for NumPy and JAX."""

import operator
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Real, UInt8

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
RealScalar = int | float | np.number | Real[np.ndarray, ""] | Real[Array, ""]


def namespace(*arrays) -> ModuleType:
    """Returns `jax.numpy` if one of the arrays is JAX's, else `numpy`."""
    return jnp if any(isinstance(array, Array) for array in arrays) else np


def is_integer(dtype: Any) -> bool:
    """Returns whether a NumPy or JAX type holds integers; bool does not."""
    return jnp.issubdtype(dtype, np.integer)


def as_float(image):
    """Converts to floating point: float32 and float64 stay, other types get the default.

    NumPy's default is float64, JAX's is float32 unless x64 is enabled.
    """
    xp = namespace(image)
    if image.dtype in (np.float32, np.float64):
        return image
    return image.astype(xp.asarray(0.0).dtype)


def to_uint8(image: Real[ImageArray, "*shape"]) -> UInt8[ImageArray, "*shape"]:
    """Clips to 0..255 and rounds halves up, as MATLAB's `uint8` does.

    Args:
      image: an array of any shape and of any integer or floating-point type.

    Returns:
      The same shape, uint8.

    Raises:
      TypeError: if the image is not an array, or is complex or bool.
    """
    _validate_array(image)
    _validate_type("an image", image.dtype)
    xp = namespace(image)
    # Narrower types cannot hold 254.5, and int8 cannot hold 255.
    return xp.floor(xp.clip(as_float(image), 0, 255) + 0.5).astype(xp.uint8)


def validate_image(image) -> None:
    """Raises an error unless the array has the shape (..., h, w, c) and a real type."""
    validate_shape(image)
    _validate_type("an image", image.dtype)


def validate_shape(image) -> None:
    """Raises an error unless the image is an array of the shape (..., h, w, c)."""
    _validate_array(image)
    if image.ndim < 3 or 0 in image.shape:
        raise ValueError(
            "an image must have the shape (..., height, width, channels), none of them 0; "
            f"got {image.shape}"
        )


def whole_number(name: str, value: Any, *, least: int) -> int:
    """Returns an argument as an int.

    Raises:
      TypeError: if the value is not a whole number, or is traced by JAX.
      ValueError: if it is less than `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name} must be a whole number, known before any tracing; got {value!r}"
        ) from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}; got {number}")
    return number


def real_scalar(name: str, value: Any) -> Any:
    """Returns an argument as a positive float; a scalar that JAX traces stays as it is.

    Raises:
      TypeError: if the value is not one real number.
      ValueError: if it is not positive or not finite.
    """
    array = value if hasattr(value, "dtype") else np.asarray(value)
    _validate_type(name, array.dtype)
    if array.ndim:
        raise TypeError(f"{name} must be one number; got an array of shape {array.shape}")
    try:
        number = float(value)
    except TypeError:
        return value
    if not number > 0:
        raise ValueError(f"{name} must be positive; got {value!r}")
    if number == float("inf"):
        raise ValueError(f"{name} must be finite; got {value!r}")
    return number


def _validate_array(image) -> None:
    if not isinstance(image, np.ndarray | Array):
        raise TypeError(
            f"an image must be an array of NumPy or JAX; got {type(image).__name__}: convert it "
            "with numpy.asarray"
        )


def _validate_type(name: str, dtype: Any) -> None:
    if not (is_integer(dtype) or jnp.issubdtype(dtype, np.floating)):
        raise TypeError(
            f"{name} must have an integer or floating-point type; got {dtype}: convert it, and "
            "give the magnitude or one part of complex values"
        )
