"""Measures PSNR and SSIM on benchmarks, by a protocol that goes wherever the figures go."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subpixel.data.degradation import make_low
from subpixel.data.pictures import Picture, holds_one_channel
from subpixel.data.sources import load_pair
from subpixel.errors import InputError
from subpixel.evaluation.protocol import Protocol
from subpixel.image import modcrop, psnr, rgb_to_luma, ssim
from subpixel.image.arrays import to_uint8
from subpixel.upscaling import Upscaler


@dataclass(frozen=True)
class Figures:
    """PSNR in dB and SSIM of the pictures of one benchmark, by name, and how they were measured."""

    protocol: Protocol
    psnr: dict[str, float]
    ssim: dict[str, float]

    @property
    def mean_psnr(self) -> float:
        """The mean of the pictures' PSNRs, in dB."""
        return sum(self.psnr.values()) / len(self.psnr)

    @property
    def mean_ssim(self) -> float:
        """The mean of the pictures' SSIMs."""
        return sum(self.ssim.values()) / len(self.ssim)

    def to_json(self) -> dict[str, Any]:
        """Returns means, and pictures by name. Infinity, which JSON has not, is None."""
        images = {
            name: {"psnr": _finite(self.psnr[name]), "ssim": self.ssim[name]} for name in self.psnr
        }
        return {
            "psnr": _finite(self.mean_psnr),
            "ssim": self.mean_ssim,
            "low_from": self.protocol.low_from,
            "images": images,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Measured:
    """What was compared for one picture.

    Attributes:
      model: the upscaler's name.
      picture: the picture's name.
      output: (h, w, c) in 0..255, what was measured.
      reference: the same of the original.
      low: what was enlarged.
    """

    model: str
    picture: str
    output: np.ndarray
    reference: np.ndarray
    low: np.ndarray


def evaluate(
    upscalers: dict[str, Upscaler],
    pictures: Iterable[Picture],
    protocol: Protocol,
    observe: Callable[[Measured], None] | None = None,
) -> dict[str, Figures]:
    """Measures several upscalers on the same pictures; one picture is in memory at a time.

    Args:
      upscalers: by name.
      pictures: the originals of a benchmark.
      protocol: how. Where it makes low resolution of "rgb" and the pictures come with theirs, that
        is used, and the figures' protocol says "files".
      observe: is called with what was compared.

    Returns:
      The figures of each upscaler.

    Raises:
      InputError: if a picture cannot be read, or is too small to be measured; if an upscaler
        cannot be measured so.
    """
    pictures = list(pictures)
    if protocol.low_from == "rgb" and any(picture.load_low for picture in pictures):
        protocol = replace(protocol, low_from="files")
    figures = {name: Figures(protocol, {}, {}) for name in upscalers}
    for picture in pictures:
        grey = protocol.grey == "stored" and holds_one_channel(picture)
        try:
            low, original = _load(picture, protocol, grey)
            for name, upscaler in upscalers.items():
                output, reference = _compare(upscaler, low, original, protocol, grey)
                result = figures[name]
                result.psnr[picture.name] = float(psnr(output, reference, shave=protocol.shave))
                result.ssim[picture.name] = float(ssim(output, reference, shave=protocol.shave))
                if observe is not None:
                    observe(Measured(name, picture.name, output, reference, low))
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"picture {picture.source} cannot be measured: {error}") from error
    return figures


def _load(picture: Picture, protocol: Protocol, grey: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns the low resolution, and the original cropped."""
    if protocol.low_from == "files":
        if picture.load_low is None:
            raise InputError(
                f"picture {picture.source} comes without low resolution for x{protocol.scale}, and "
                'low_from is "files"'
            )
        low, original = load_pair(picture, protocol.scale, protocol.degradation)
        original = modcrop(original, protocol.crop)
        height, width = (size // protocol.scale for size in original.shape[:2])
        return low[:height, :width], original
    original = modcrop(picture.load(), protocol.crop)
    if protocol.low_from == "rgb":
        return make_low(original, protocol.scale, protocol.degradation), original
    luma = _luma(original, protocol, grey).astype(np.float64)
    return make_low(luma, protocol.scale, protocol.degradation), original


def _luma(picture: np.ndarray, protocol: Protocol, grey: bool) -> np.ndarray:
    return picture[..., :1] if grey else rgb_to_luma(picture, protocol.luma_range)


def _compare(
    upscaler: Upscaler, low: np.ndarray, original: np.ndarray, protocol: Protocol, grey: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what an upscaler makes of the low resolution, and what it should be.

    `grey` is true of a picture whose stored values are to be measured.
    """
    if protocol.channel == "rgb":
        return upscaler.picture(low), original
    exact = protocol.rounding == "double"
    if protocol.low_from == "luma":
        output = upscaler.plane(low)
        return (output if exact else to_uint8(output)), _luma(original, protocol, grey)
    if exact or grey:
        dtype = np.float64 if exact else np.uint8
        pictures = (upscaler.picture(low).astype(dtype), original.astype(dtype))
        output, reference = (_luma(picture, protocol, grey) for picture in pictures)
        return output, reference
    return upscaler.luma(low, protocol.luma_range), rgb_to_luma(original, protocol.luma_range)
