"""Measures PSNR and SSIM on benchmarks, with the protocol of the measurement."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Real

from subpixel.image import modcrop, psnr, rgb_to_luma, ssim, to_uint8
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.degradation import make_lr
from subpixel.sr.data.pairs import Pair, load_pair
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.inference.upscaler import Upscaler

# Of the images that cannot be used, so many are named.
_NAMED = 10


@dataclass(frozen=True)
class Scores:
    """PSNR in dB and SSIM of the images of one benchmark, by name, and how they were measured."""

    protocol: Protocol
    psnr: dict[str, float]
    ssim: dict[str, float]

    @property
    def mean_psnr(self) -> float:
        """The mean of the images' PSNRs, in dB."""
        return sum(self.psnr.values()) / len(self.psnr)

    @property
    def mean_ssim(self) -> float:
        """The mean of the images' SSIMs."""
        return sum(self.ssim.values()) / len(self.ssim)

    def to_json(self) -> dict[str, Any]:
        """Returns means, and images by name. Infinity, which JSON lacks, is None."""
        images = {
            name: {"psnr": _finite(self.psnr[name]), "ssim": self.ssim[name]} for name in self.psnr
        }
        return {
            "psnr": _finite(self.mean_psnr),
            "ssim": self.mean_ssim,
            "lr_from": self.protocol.lr_from,
            "images": images,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Measured:
    """The arrays that were compared for one image.

    Attributes:
      image: the image's name.
      output: (h, w, c) in 0..255, the measured part of the enlarged image.
      reference: the same of the original.
      lr: the LR image.
    """

    image: str
    output: Real[np.ndarray, "h w c"]
    reference: Real[np.ndarray, "h w c"]
    lr: Real[np.ndarray, "lr_h lr_w lr_c"]


def evaluate(
    upscalers: dict[str, Upscaler],
    images: Iterable[Pair],
    protocol: Protocol,
    observe: Callable[[Measured], None] | None = None,
) -> dict[str, Scores]:
    """Measures several upscalers on the same images; one image is in memory at a time.

    Args:
      upscalers: by name.
      images: the originals of a benchmark.
      protocol: of the measurement. If its `lr_from` is "rgb" and the set has LR images, these are
        used, and the protocol of the scores has "files".
      observe: is called with each comparison.

    Returns:
      The scores of each upscaler.

    Raises:
      InputError: naming all images that cannot be read, and the first that is too small to be
        measured; if the protocol does not apply to an upscaler.
    """
    images = list(images)
    if protocol.lr_from == "rgb" and any(image.lr for image in images):
        protocol = replace(protocol, lr_from="files")
    scores = {name: Scores(protocol, {}, {}) for name in upscalers}
    problems: list[str] = []
    for image in images:
        grey = protocol.grey == "stored" and image.hr.is_grey()
        try:
            lr, original = _load(image, protocol, grey)
            # The other images are only read: all that cannot be used are named at once.
            for name, upscaler in upscalers.items() if not problems else ():
                output, reference = _compare(upscaler, lr, original, protocol, grey)
                result = scores[name]
                result.psnr[image.name] = float(psnr(output, reference, shave=protocol.shave))
                result.ssim[image.name] = float(ssim(output, reference, shave=protocol.shave))
                if observe is not None:
                    observe(Measured(image.name, output, reference, lr))
        except InputError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"image {image.hr.source} cannot be measured: {error}")
    if problems:
        rest = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise InputError("; ".join(problems[:_NAMED]) + rest)
    return scores


def protocol_as_measured(protocol: Protocol, scores: Mapping[str, Scores]) -> tuple[Protocol, str]:
    """Returns the protocol by which scores were measured, and its line.

    Args:
      protocol: as it was asked for; LR images in files are used although it would make them.
      scores: by benchmark.

    Returns:
      The protocol with "files" if all benchmarks have LR images, and the line, which says where
      the LR images of each benchmark come from.
    """
    files = [name for name, result in scores.items() if result.protocol.lr_from == "files"]
    if files and len(files) == len(scores):
        protocol = replace(protocol, lr_from="files")
        return protocol, protocol.describe()
    line = protocol.describe()
    return (
        protocol,
        f"{line}; but LR images of {', '.join(files)} from its files" if files else line,
    )


def _load(image: Pair, protocol: Protocol, grey: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns the LR image and the cropped original."""
    if protocol.lr_from == "files":
        if image.lr is None:
            raise InputError(
                f"image {image.hr.source} has no LR image for x{protocol.scale}, and "
                'lr_from is "files"'
            )
        lr, original = load_pair(image, protocol.scale, protocol.degradation)
        original = modcrop(original, protocol.crop)
        height, width = (size // protocol.scale for size in original.shape[:2])
        return lr[:height, :width], original
    original = modcrop(image.hr.load(), protocol.crop)
    if protocol.lr_from == "rgb":
        return make_lr(original, protocol.scale, protocol.degradation), original
    luma = _luma(original, protocol, grey).astype(np.float64)
    return make_lr(luma, protocol.scale, protocol.degradation), original


def _luma(image: np.ndarray, protocol: Protocol, grey: bool) -> np.ndarray:
    return image[..., :1] if grey else rgb_to_luma(image, protocol.luma_range)


def _compare(
    upscaler: Upscaler, lr: np.ndarray, original: np.ndarray, protocol: Protocol, grey: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the output of an upscaler and the reference.

    `grey` is true for an image whose stored values are measured.
    """
    if protocol.channel == "rgb":
        return upscaler.rgb(lr), original
    exact = protocol.rounding == "double"
    if protocol.lr_from == "luma":
        output = upscaler.luma_unrounded(lr)
        return (output if exact else to_uint8(output)), _luma(original, protocol, grey)
    if exact or grey:
        dtype = np.float64 if exact else np.uint8
        images = (upscaler.rgb(lr).astype(dtype), original.astype(dtype))
        output, reference = (_luma(image, protocol, grey) for image in images)
        return output, reference
    return upscaler.luma(lr, protocol.luma_range), rgb_to_luma(original, protocol.luma_range)
