"""Test images of the report: chosen, and encoded as data URIs with the point to show first."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from subpixel.sr.data.pairs import Pair, load_pair
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import Scores
from subpixel.sr.inference.upscaler import Upscaler
from subpixel.sr.report.text import fixed

LOSSLESS_SIDE = 1000
"""Longest side, in pixels, up to which an image is embedded without loss."""

_FOCUS_SIDE = 48


@dataclass(frozen=True)
class Pane:
    """One view of an image on the page; `source` is a data: URI."""

    label: str
    psnr: str
    source: str


@dataclass(frozen=True)
class ReportImage:
    """One test image, enlarged in several ways; `focus` is shown first, (x, y) in 0..1."""

    benchmark: str
    name: str
    width: int
    height: int
    focus: tuple[float, float]
    lossy: bool
    panes: tuple[Pane, ...]


def select_images(
    upscalers: Mapping[str, Upscaler],
    benchmarks: Mapping[str, Sequence[Pair]],
    scores: Mapping[str, Mapping[str, Scores]],
    model: str,
    protocol: Protocol,
) -> Iterator[ReportImage]:
    """Yields two images of each benchmark: those whose PSNR gains most and least over bicubic."""
    for benchmark, images in benchmarks.items():
        by_model = {name: of.psnr for name, of in scores[benchmark].items()}
        gains = {name: psnr - by_model["bicubic"][name] for name, psnr in by_model[model].items()}
        ranked = sorted(images, key=lambda image: gains[image.name], reverse=True)
        for image in ranked[:1] + ranked[1:][-1:]:
            lr, original = load_pair(image, protocol.scale, protocol.degradation)
            views = {name: upscaler.rgb(lr) for name, upscaler in upscalers.items()}
            psnr = {name: by_model[name][image.name] for name in upscalers}
            yield encode(benchmark, image.name, {**views, "original": original}, psnr)


def encode(
    benchmark: str,
    name: str,
    views: Mapping[str, UInt8[np.ndarray, "h w 3"]],
    psnr: Mapping[str, float],
) -> ReportImage:
    """Encodes the views of an image for the page, in the order of their display."""
    height, width, _ = views["original"].shape
    lossy = max(height, width) > LOSSLESS_SIDE
    panes = tuple(
        Pane(label, f"{fixed(psnr[label], 2)} dB" if label in psnr else "", _data_uri(view, lossy))
        for label, view in views.items()
    )
    focus = _focus(views["bicubic"], views["original"])
    return ReportImage(benchmark, name, width, height, focus, lossy, panes)


def _data_uri(view: np.ndarray, lossy: bool) -> str:
    """Returns an image as JPEG of quality 95 or as PNG."""
    kind = "jpeg" if lossy else "png"
    options = {"quality": 95, "subsampling": 0} if lossy else {"optimize": True}
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(view)).save(buffer, kind, **options)
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
