"""Enlarges arrays and files from Python: `subpixel.sr.upscale`."""

from functools import lru_cache
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Real

from subpixel.sr.inference.colour import rounded
from subpixel.sr.photo.engine import DEFAULT_MODEL, Engine, find_models
from subpixel.sr.photo.photographs import Settings
from subpixel.sr.photo.plan import Size
from subpixel.sr.photo.reading import open_photograph
from subpixel.sr.photo.strips import Strips
from subpixel.sr.photo.vips import DTYPES

Pixels = Real[np.ndarray, "h w"] | Real[np.ndarray, "h w c"] | Real[np.ndarray, "n h w c"]
_find_models = lru_cache(maxsize=8)(find_models)


def upscale(
    images: Pixels | str | PathLike[str],
    model: str = DEFAULT_MODEL,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    engine: Engine = "auto",
) -> Real[np.ndarray, "..."]:
    """Enlarges an image, or a batch of images.

    Args:
      images: an array (h, w), (h, w, c) or (n, h, w, c), with c of 1 to 4, of which 2 and 4 have
        alpha last; uint8, uint16, or floating point in 0..1. Or the path of an image file, which
        is rotated upright by its EXIF tag.
      model: the name of a released model, a weights file, a workdir or "bicubic".
      scale: how many times larger the result is; by default the scale of the model, and 3 where it
        has several.
      size: width and height of a box that the result fits into, instead of a scale.
      engine: "jax"; "onnxruntime", which runs the exported graph; or "auto", the fastest that is
        installed. They differ by 1 of 255 at most, in few pixels.

    Returns:
      An array of the same dtype and number of axes; of a grey file, (h, w).

    Raises:
      ValueError: if the shape or the values are not those of an image, or the file or the model
        cannot be used.
      OSError: if the system refuses to read the file.

    Example:
      >>> image = np.zeros((20, 30, 3), np.uint8)
      >>> upscale(image, "bicubic", scale=3).shape
      (60, 90, 3)
    """
    models = _find_models(model, engine)
    settings = Settings(models, Size(scale=scale, fit=size).or_scale_of(models.scales))
    if isinstance(images, str | PathLike):
        photograph = open_photograph(Path(images))
        result = _enlarged(photograph.strips(), settings, np.dtype(DTYPES[photograph.image.format]))
        return result[..., 0] if result.shape[-1] == 1 else result
    values = np.asarray(images)
    if values.ndim == 4:
        return np.stack([_upscale_array(image, settings) for image in values])
    return _upscale_array(values, settings)


def _upscale_array(image: np.ndarray, settings: Settings) -> np.ndarray:
    if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] > 4):
        raise ValueError(
            "an image must have the shape (h, w) or (h, w, c) with 1 to 4 channels; got "
            f"{image.shape}"
        )
    real = np.issubdtype(image.dtype, np.floating)
    if not real and image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"an image must be uint8, uint16 or floating point; got {image.dtype}")
    white = 1 if real else np.iinfo(image.dtype).max
    values = image.astype(np.float32) / np.float32(white)
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"a floating-point image must lie in 0..1; got {values.min():g} to {values.max():g}"
        )
    values = values if image.ndim == 3 else values[..., None]
    height, width, channels = values.shape
    lr = Strips(height, width, channels, iter([values]))
    result = _enlarged(lr, settings, image.dtype)
    return result if image.ndim == 3 else result[..., 0]


def _enlarged(lr: Strips, settings: Settings, dtype: np.dtype) -> np.ndarray:
    rows = settings.enlarged(lr).rows
    if np.issubdtype(dtype, np.floating):
        return np.concatenate([strip.clip(0, 1).astype(dtype) for strip in rows])
    return np.concatenate([rounded(strip, dtype.type) for strip in rows])
