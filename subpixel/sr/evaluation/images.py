"""Saves the images of a measurement: enlarged images and error maps."""

import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from subpixel.sr._support.files import make_folder, write_bytes
from subpixel.sr.evaluation.scores import Measured
from subpixel.sr.inference.upscaler import Upscaler

# Errors of this many grey levels and more have the brightest colour, in every map.
BRIGHTEST = 48


def make_folders(root: Path, benchmarks: list[str]) -> None:
    """Makes a folder for each benchmark, before anything is computed.

    Raises:
      InputError: if a file is where a folder must be.
    """
    for benchmark in benchmarks:
        make_folder(root / _folder(benchmark))


def save_output(root: Path, benchmark: str, measured: Measured, upscaler: Upscaler) -> None:
    """Writes the enlarged image as PNG, with the pixels that `subpixel upscale` gives in colour.

    Scores have roundings of their protocol, which an image that is looked at does not have.
    """
    colour = measured.lr.shape[-1] == 3
    pixels = upscaler.image(measured.lr) if colour else measured.output
    _save(root, benchmark, measured, np.asarray(pixels))


def save_error_map(root: Path, benchmark: str, measured: Measured) -> None:
    """Writes the absolute error of the measured channels as PNG; black is no error.

    For RGB it is the mean over the channels. Colours are Matplotlib's "inferno", and a colour means
    the same error in every map: see `BRIGHTEST`.
    """
    difference = measured.output.astype(np.float32) - measured.reference.astype(np.float32)
    error = np.abs(difference).mean(axis=-1)
    colours = matplotlib.colormaps["inferno"](np.minimum(error / BRIGHTEST, 1), bytes=True)
    _save(root, benchmark, measured, colours[..., :3])


def _save(root: Path, benchmark: str, measured: Measured, pixels: np.ndarray) -> None:
    if pixels.dtype != np.uint8:
        pixels = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    suffix = "" if measured.model == "model" else f"_{measured.model}"
    content = io.BytesIO()
    image.save(content, "PNG")
    write_bytes(root / _folder(benchmark) / f"{measured.image}{suffix}.png", content.getvalue())


def _folder(benchmark: str) -> str:
    # The names of embedded sets hold a colon, which not every system allows in file names.
    return benchmark.replace(":", "_")
