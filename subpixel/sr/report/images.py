"""Test images of the report: chosen, and encoded as data URIs with the point to show first."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from subpixel.sr.data.pairs import Pair, load_pair
from subpixel.sr.evaluation import Protocol, Scores
from subpixel.sr.inference.upscaler import Upscaler
from subpixel.sr.report.text import decibels

LOSSLESS_SIDE = 1000
"""Longest side, in pixels, up to which an image is embedded without loss."""

_FOCUS_SIDE = 48


@dataclass(frozen=True)
class ReportImage:
    """One test image, enlarged in several ways.

    Attributes:
      benchmark: name of the benchmark.
      name: name of the image in the benchmark.
      views: uint8 RGB images of one shape (h, w, 3) in the order of display: "bicubic", each
        upsampler, "original".
      psnr: PSNR of each view except the original, in dB.
    """

    benchmark: str
    name: str
    views: dict[str, UInt8[np.ndarray, "h w 3"]]
    psnr: dict[str, float]


def select_images(
    upscalers: Mapping[str, Upscaler],
    benchmarks: Mapping[str, Sequence[Pair]],
    scores: Mapping[str, Mapping[str, Scores]],
    model: str,
    protocol: Protocol,
) -> Iterator[ReportImage]:
    """Yields two images of each benchmark: those whose PSNR gains most and least over bicubic.

    Args:
      upscalers: by name, "bicubic" among them.
      benchmarks: images of each benchmark.
      scores: scores of each benchmark, by the upscaler's name.
      model: name of the upscaler whose gain is compared.
      protocol: protocol that makes the LR images.
    """
    for benchmark, images in benchmarks.items():
        for image in _extremes(images, scores[benchmark], model):
            lr, original = load_pair(image, protocol.scale, protocol.degradation)
            views = {name: upscaler.rgb(lr) for name, upscaler in upscalers.items()}
            yield ReportImage(
                benchmark=benchmark,
                name=image.name,
                views={**views, "original": original},
                psnr={name: scores[benchmark][name].psnr[image.name] for name in upscalers},
            )


def _extremes(images: Sequence[Pair], scores: Mapping[str, Scores], model: str) -> list[Pair]:
    def gain(image: Pair) -> float:
        return scores[model].psnr[image.name] - scores["bicubic"].psnr[image.name]

    ranked = sorted(images, key=gain, reverse=True)
    return ranked[:1] + ranked[1:][-1:]


@dataclass(frozen=True)
class Pane:
    """One view of an image on the page."""

    label: str
    psnr: str
    source: str  # a data: URI


@dataclass(frozen=True)
class EncodedImage:
    """The panes of an image; `focus` is the point that they show first, (x, y) in 0..1."""

    benchmark: str
    name: str
    width: int
    height: int
    focus: tuple[float, float]
    lossy: bool
    panes: tuple[Pane, ...]


def encode(image: ReportImage) -> EncodedImage:
    """Encodes the views of an image for the page.

    Raises:
      TypeError: if a view is not uint8.
      ValueError: if there is no view, or the views are not of one shape (h, w, 3).
    """
    where = f"image {image.name!r} of {image.benchmark!r}"
    if not image.views:
        raise ValueError(f"{where} has no views")
    shape = next(iter(image.views.values())).shape
    for label, view in image.views.items():
        if view.dtype != np.uint8:
            raise TypeError(f"{where}: view {label!r} must be uint8, 0 to 255; got {view.dtype}")
        if view.shape != shape or view.ndim != 3 or view.shape[-1] != 3:
            raise ValueError(
                f"{where}: all views must have one shape (h, w, 3); {label!r} has {view.shape}, "
                f"the first has {shape}"
            )
    height, width, _ = shape
    lossy = max(height, width) > LOSSLESS_SIDE
    panes = tuple(
        Pane(label, _score(label, image.psnr), _encode(view, lossy))
        for label, view in image.views.items()
    )
    views = list(image.views.values())
    focus = _focus(image.views.get("bicubic", views[0]), image.views.get("original", views[-1]))
    return EncodedImage(image.benchmark, image.name, width, height, focus, lossy, panes)


def _score(label: str, psnr: dict[str, float]) -> str:
    return "" if label == "original" and label not in psnr else decibels(psnr.get(label))


def _encode(view: np.ndarray, lossy: bool) -> str:
    """Returns a data: URI with the image, as JPEG of quality 95 or as PNG."""
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(view))
    if lossy:
        image.save(buffer, "JPEG", quality=95, subsampling=0)
        kind = "jpeg"
    else:
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _focus(reference: np.ndarray, original: np.ndarray) -> tuple[float, float]:
    """Returns the centre of the square in which two images differ most."""
    height, width, _ = original.shape
    side = min(_FOCUS_SIDE, height, width)
    error = np.abs(original.astype(np.float64) - reference).sum(axis=2)
    total = np.pad(error, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    inside = inside + total[:-side, :-side]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return round((left + side / 2) / width, 4), round((top + side / 2) / height, 4)
