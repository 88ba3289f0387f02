"""The command `upscale`."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from subpixel.sr._support.console import make_console, one_line
from subpixel.sr._support.errors import InputError
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.photo.batch import plan_jobs, run_jobs
from subpixel.sr.photo.engine import DEFAULT_MODEL, Engine, find_models
from subpixel.sr.photo.photographs import Settings
from subpixel.sr.photo.plan import Size, parse_fit
from subpixel.sr.photo.progress import BatchProgress


@dataclass(frozen=True)
class Options:
    """Enlarges photographs, folders of them and videos.

    The same command again enlarges only the missing files. The command `models` says which model
    to take."""

    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Images, videos, and folders, whose tree is kept; hidden files in them are left out."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """The folder for the results; for one image or video it may be a file (default: beside the
    input, photo_x3.jpg for photo.jpg)."""
    scale: float | None = None
    """How many times larger the result is (default: the scale of the model, or 3 if it has
    several). Any number: the nearest larger scale of the model is computed, and shrunk by
    bicubic."""
    width: int | None = None
    """Width of the result in pixels, instead of a scale; the height follows."""
    height: int | None = None
    """Height of the result in pixels, instead of a scale; the width follows."""
    fit: Annotated[str | None, tyro.conf.arg(metavar="WxH")] = None
    """Box that the result fits into, instead of a scale, such as 1920x1080."""
    model: str = DEFAULT_MODEL
    """A released model's name, a weights file, a workdir, a PyTorch checkpoint, or "bicubic".
    "espcn" is the fastest network, "plain_11x24" the most exact: 0.3 dB more at x3, for 2 to 4
    times the time; "plain_10x18" is between them."""
    engine: Engine = "auto"
    """Library that computes the network: JAX, or ONNX Runtime ("auto": ONNX Runtime where it is
    installed and there is no accelerator)."""
    activation: Activation | None = None
    """Activation after the hidden layers of a PyTorch checkpoint, which does not state it
    (default: that of the network's paper, "tanh" for ESPCN)."""
    output_activation: OutputActivation | None = None
    """Activation at the end of a PyTorch checkpoint, which does not state it (default: "none")."""
    format: Literal["png", "jpg", "webp", "tiff", "avif"] | None = None
    """Format of the images (default: each keeps its own)."""
    quality: int | None = None
    """Quality of JPEG, WebP and AVIF, 1 to 100 (default: 95, 90 and 80)."""
    crf: int = 18
    """Quality of videos in H.264 and VP9: 0 is the best, 51 the worst."""
    overwrite: bool = False
    """Replaces existing results; by default those files are skipped."""


def run(options: Options) -> int:
    """Enlarges the inputs, and names the failures on the console."""
    if not options.inputs:
        raise InputError("name at least one image, video or folder")
    models = find_models(
        options.model,
        options.engine,
        activation=options.activation,
        output_activation=options.output_activation,
    )
    fit = parse_fit(options.fit) if options.fit is not None else None
    size = Size(options.scale, options.width, options.height, fit).or_scale_of(models.scales)
    settings = Settings(models, size, options.quality, options.crf)
    suffix = f".{options.format}" if options.format else None
    jobs, others = plan_jobs(options.inputs, options.output, size.label, suffix)
    console = make_console(stderr=True)
    for note in models.notes:
        console.print(note, soft_wrap=True, highlight=False)
    began = time.perf_counter()
    with BatchProgress(console, len(jobs)) as progress:
        outcome = run_jobs(jobs, settings, options.overwrite, progress)
    told = f"{outcome.done} enlarged"
    if outcome.present:
        told += f", {outcome.present} there already (--overwrite replaces them)"
    if outcome.failed:
        told += f", {outcome.failed} failed"
    if others:
        told += f", {others.total()} of other kinds left out ({', '.join(sorted(others))})"
    if outcome.done:
        engine = f" ({models.engine})" if models.engine else ""
        told += f"; {models.name}{engine}, {time.perf_counter() - began:.1f} s"
    if outcome.last is not None and len(jobs) == 1:
        told += f"; {jobs[0].target} has {outcome.last.width}x{outcome.last.height}"
    console.print(one_line(told), soft_wrap=True, highlight=False)
    return 1 if outcome.failed else 0
