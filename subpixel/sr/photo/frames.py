"""Enlarges the planes of one video frame."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import UInt

from subpixel.image._resize import cubic
from subpixel.sr.photo.photographs import Settings
from subpixel.sr.photo.plan import Size
from subpixel.sr.photo.strips import Strips, combine

# Formats with interleaved planes, and the planar formats with the same values.
_SAME_VALUES = {"nv12": "yuv420p", "nv21": "yuv420p", "p010le": "yuv420p10le", "gray": "gray"}
_PLANAR = re.compile(r"yuvj?(420|422|444)p(10le|12le)?$")


def planar_format(name: str) -> str:
    """Returns the planar format in which frames of a format are enlarged.

    RGB and unknown formats become yuv444p.
    """
    if _PLANAR.match(name):
        return name
    return _SAME_VALUES.get(name, "yuv444p")


@dataclass(frozen=True)
class FrameShape:
    """The properties that all frames of a video share.

    Attributes:
      width: of a frame.
      height: of a frame.
      new_width: of the result.
      new_height: of the result.
      target: width and height before the crop to sizes that the format can hold.
      format: of the result, planar.
      full_range: whether Y goes from 0 to the largest value, and not from 16 to 235.
      notes: the changes, one line each.
    """

    width: int
    height: int
    new_width: int
    new_height: int
    target: tuple[int, int]
    format: str
    full_range: bool
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, frame: Any, size: Size) -> "FrameShape":
        """Returns the shape for a first frame."""
        name = planar_format(frame.format.name)
        notes = []
        if name == "yuv444p" and "yuv" not in frame.format.name:
            notes.append(f"{frame.format.name} became yuv444p")
        if "a" in frame.format.name.replace("gray", ""):
            notes.append("transparency was left out")
        width, height = size.of(frame.width, frame.height)
        across, down = _subsampling(name)
        new_width, new_height = width // across * across, height // down * down
        if (new_width, new_height) != (width, height):
            notes.append(
                f"{width}x{height} was cropped to {new_width}x{new_height}: {name} needs even sizes"
            )
        return cls(
            frame.width,
            frame.height,
            new_width,
            new_height,
            (width, height),
            name.replace("yuvj", "yuv"),
            name.startswith("yuvj") or frame.color_range == 2,
            notes,
        )

    @property
    def bits(self) -> int:
        """Bits of a value."""
        match = re.search(r"p(\d+)le$", self.format)
        return int(match[1]) if match else 8

    @property
    def dtype(self) -> type:
        """NumPy's type of a value."""
        return np.uint8 if self.bits == 8 else np.uint16


def enlarge_frame(
    planes: list[UInt[np.ndarray, "_ _"]], shape: FrameShape, settings: Settings
) -> list[UInt[np.ndarray, "_ _"]]:
    """Returns the planes of the enlarged frame.

    Args:
      planes: Y, and Cb and Cr if there are any, (h, w).
      shape: of the frames.
      settings: models and size.
    """
    luma = _enlarge_luma(planes[0], shape, settings)
    return [luma, *(_enlarge_chroma(plane, shape) for plane in planes[1:])]


def _enlarge_luma(plane: np.ndarray, shape: FrameShape, settings: Settings) -> np.ndarray:
    black, span = _luma_levels(shape)
    grey = ((plane.astype(np.float32) - black) / span)[..., None]
    strips = settings.enlarged(Strips(shape.height, shape.width, 1, iter([grey])))
    result = np.concatenate(list(strips.rows))[: shape.new_height, : shape.new_width, 0]
    # Values above white or below black are kept.
    return _quantised(result * span + black, shape)


def _luma_levels(shape: FrameShape) -> tuple[float, float]:
    unit = 2 ** (shape.bits - 8)
    return (0.0, 2.0**shape.bits - 1) if shape.full_range else (16.0 * unit, 219.0 * unit)


def _enlarge_chroma(plane: np.ndarray, shape: FrameShape) -> np.ndarray:
    across, down = _subsampling(shape.format)
    # Samples lie at the left of their two pixels (MPEG-2, H.264), in the input and the output.
    left = across == 2
    columns = _taps(plane.shape[1], shape.target[0] / shape.width, shape.new_width // across, left)
    rows = _taps(plane.shape[0], shape.target[1] / shape.height, shape.new_height // down)
    values = plane.astype(np.float32)[..., None]
    result = combine(combine(values, *columns, axis=1), *rows, axis=0)[..., 0]
    return _quantised(result, shape)


def _taps(
    size: int, factor: float, count: int, left: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Returns pixels and weights of a bicubic resize, as `subpixel.image.imresize` has them.

    With `left`, samples lie a quarter of their distance left of the centre.
    """
    stretch = min(factor, 1.0)
    centre = (np.arange(count) + 0.5) / factor - 0.5
    if left:
        centre += 0.25 - 0.25 / factor
    reach = 2 / stretch
    indices = np.floor(centre - reach).astype(int)[:, None] + np.arange(math.ceil(2 * reach) + 2)
    weights = cubic((centre[:, None] - indices) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    return indices.clip(0, size - 1), weights.astype(np.float32)


def _subsampling(name: str) -> tuple[int, int]:
    match = _PLANAR.match(name)
    kind = match[1] if match else "444"
    return (1 if kind == "444" else 2), (2 if kind == "420" else 1)


def _quantised(values: np.ndarray, shape: FrameShape) -> np.ndarray:
    peak = 2**shape.bits - 1
    return (values.clip(0, peak) + np.float32(0.5)).astype(shape.dtype)
