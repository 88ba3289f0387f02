"""Enlarges arrays and files from Python: `subpixel.sr.upscale`."""

import io
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
from jaxtyping import Real, Shaped
from PIL import Image

from subpixel.sr.photo.engine import DEFAULT_MODEL, Engine, ModelFamily, find_models
from subpixel.sr.photo.photographs import Settings
from subpixel.sr.photo.pixels import DTYPES
from subpixel.sr.photo.plan import Size
from subpixel.sr.photo.reading import open_photograph
from subpixel.sr.photo.strips import Strips

Pixels = Real[np.ndarray, "h w"] | Real[np.ndarray, "h w c"] | Real[np.ndarray, "n h w c"]
Source = Pixels | str | PathLike[str]
_PEAKS = {"uint8": 255, "uint16": 65535}


class UpscaledImage(np.ndarray):
    """An array (h, w) or (h, w, c) that a notebook displays as an image.

    What is computed from it is a plain array or number, since it need not be an image.
    """

    def __array_wrap__(
        self, array: np.ndarray, context: Any = None, return_scalar: bool = False
    ) -> Any:
        del context
        return array[()] if return_scalar else np.asarray(array)

    def astype(self, *arguments: Any, **options: Any) -> Shaped[np.ndarray, "..."]:
        """Returns a plain array."""
        return np.asarray(self).astype(*arguments, **options)

    def _repr_png_(self) -> bytes | None:
        if self.ndim not in (2, 3) or self.size == 0:
            return None
        values = np.asarray(self)
        if values.dtype == np.uint16:
            values = (values / 257 + 0.5).astype(np.uint8)
        elif values.dtype != np.uint8:
            values = (values.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        content = io.BytesIO()
        Image.fromarray(values).save(content, "PNG")
        return content.getvalue()


@overload
def upscale(
    images: Source,
    model: str = ...,
    *,
    scale: float | None = ...,
    size: tuple[int, int] | None = ...,
    engine: Engine = ...,
    consistent: bool = ...,
) -> UpscaledImage: ...


@overload
def upscale(
    images: list[Source] | tuple[Source, ...],
    model: str = ...,
    *,
    scale: float | None = ...,
    size: tuple[int, int] | None = ...,
    engine: Engine = ...,
    consistent: bool = ...,
) -> list[UpscaledImage]: ...


def upscale(
    images: Source | list[Source] | tuple[Source, ...],
    model: str = DEFAULT_MODEL,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    engine: Engine = "auto",
    consistent: bool = False,
) -> UpscaledImage | list[UpscaledImage]:
    """Enlarges an image, or several.

    Args:
      images: an array (h, w), (h, w, c) or (n, h, w, c), with c of 1 to 4, of which 2 and 4 have
        alpha last; uint8, uint16, or floating point in 0..1. Or the path of an image file, which
        is rotated upright by its EXIF tag. Or a list or tuple of such arrays and paths.
      model: the name of a released model, a weights file, a workdir or "bicubic".
      scale: how many times larger the result is; by default the scale of the model, and 3 where it
        has several.
      size: width and height of a box that the result fits into, instead of a scale.
      engine: "jax"; "onnxruntime", which runs the exported graph; or "auto", the fastest that is
        installed. They differ by 1 of 255 at most, in few pixels.
      consistent: whether back-projection changes the result until bicubic shrinks it to the input.

    Returns:
      An array of the same dtype and number of axes, or a list of them. A notebook displays a
      single image.

    Raises:
      ValueError: if the shape or the values are not those of an image, or the file or the model
        cannot be used.

    Example:
      >>> image = np.zeros((20, 30, 3), np.uint8)
      >>> upscale(image, "bicubic", scale=3).shape
      (60, 90, 3)
    """
    models = _models(model, engine, consistent)
    wanted = Size(scale=scale, fit=size).or_scale_of(models.scales)
    settings = Settings(models, wanted, consistent=consistent)
    if isinstance(images, np.ndarray) and images.ndim == 4:
        enlarged = [_upscale_array(image, settings) for image in images]
        return np.stack(enlarged).view(UpscaledImage)
    if isinstance(images, np.ndarray | str | PathLike):
        return _upscale_one(images, settings)
    return [_upscale_one(image, settings) for image in images]


@lru_cache(maxsize=8)
def _models(model: str, engine: Engine, consistent: bool) -> ModelFamily:
    return find_models(model, engine, consistent)


def _upscale_one(image: Any, settings: Settings) -> UpscaledImage:
    if isinstance(image, str | PathLike):
        photograph = open_photograph(Path(image))
        dtype = DTYPES[photograph.dtype]
        result = _collected(photograph.strips(), settings, np.dtype(dtype))
        return _without_channel(result) if result.shape[-1] == 1 else result
    return _upscale_array(np.asarray(image), settings)


def _upscale_array(image: np.ndarray, settings: Settings) -> UpscaledImage:
    if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] > 4):
        raise ValueError(
            "an image must have the shape (h, w) or (h, w, c) with 1 to 4 channels; got "
            f"{image.shape}"
        )
    if image.dtype.name not in _PEAKS and not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"an image must be uint8, uint16 or floating point; got {image.dtype}")
    values = image.astype(np.float32) / np.float32(_PEAKS.get(image.dtype.name, 1))
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"a floating-point image must lie in 0..1; got {values.min():g} to {values.max():g}"
        )
    values = values if image.ndim == 3 else values[..., None]
    height, width, channels = values.shape
    strips = Strips(height, width, channels, iter([values]))
    result = _collected(strips, settings, image.dtype)
    return result if image.ndim == 3 else _without_channel(result)


def _without_channel(image: UpscaledImage) -> UpscaledImage:
    return image[..., 0].view(UpscaledImage)


def _collected(lr: Strips, settings: Settings, dtype: np.dtype) -> UpscaledImage:
    result = settings.enlarged(lr)
    output = np.empty((result.height, result.width, result.channels), dtype)
    peak, first = _PEAKS.get(dtype.name), 0
    for strip in result.rows:
        values = strip.clip(0, 1)
        # Halves are rounded up, as everywhere in this project.
        values = values if peak is None else values * np.float32(peak) + np.float32(0.5)
        output[first : first + len(strip)] = values.astype(dtype)
        first += len(strip)
    return output.view(UpscaledImage)
