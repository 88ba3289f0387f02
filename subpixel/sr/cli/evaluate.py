"""The command `evaluate`, which eval.py runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from subpixel.image import Border, LumaRange
from subpixel.kernels import Layout
from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.data.degradation import Kind
from subpixel.sr.data.pairs import data_root, find_benchmarks
from subpixel.sr.evaluation.measurement import (
    measure_model,
    show_measurement,
    write_measurement,
)
from subpixel.sr.evaluation.protocol import Channel, Grey, LrFrom, Protocol, ProtocolName, Rounding
from subpixel.sr.find import check_options, find_model
from subpixel.sr.inference.bicubic import BICUBIC_NAME
from subpixel.sr.inference.upscaler import BicubicUpscaler, Upscaler

# The options that change single choices of a protocol.
CHOICES = (
    *("crop", "channel", "luma_range", "rounding", "degradation", "border", "sigma"),
    *("kernel_size", "lr_from", "grey", "shave"),
)


@dataclass(frozen=True)
class Options:
    """Measures PSNR and SSIM of a model on benchmarks."""

    target: tyro.conf.Positional[str]
    """A released model's name (`python -m subpixel models` lists them), a workdir of train.py, a
    weights file, a PyTorch checkpoint, or "bicubic"."""
    scale: int
    """How many times larger the model's output is."""
    benchmarks: tuple[str, ...]
    """Folders of original images, under the data root or anywhere, or "embedded:test"."""
    protocol: ProtocolName = "matlab"
    """The convention that scores follow; the options from --crop to --shave change single
    choices of it. See docs/evaluate.md."""
    crop: int | None = None
    """Originals are cropped to a multiple of this many pixels."""
    channel: Channel | None = None
    """What is measured: "y", luma, or "rgb"."""
    luma_range: LumaRange | None = None
    """"studio", 16..235 as in MATLAB, or "full", 0..255."""
    rounding: Rounding | None = None
    """Whether Y is rounded to "8bit" or left in "double"."""
    degradation: Kind | None = None
    """How LR images are made: "bicubic", or "blur", a Gaussian of --sigma and --kernel-size
    and every r-th pixel; "unknown" means the LR images of the set."""
    border: Border | None = None
    """Border of bicubic: "symmetric" as in MATLAB today, "replicate" as before 2014."""
    sigma: float | None = None
    """Standard deviation of the Gaussian, in pixels of the original."""
    kernel_size: int | None = None
    """Height and width of the Gaussian, odd."""
    lr_from: Annotated[LrFrom | None, tyro.conf.arg(aliases=["--low-from"])] = None
    """What LR images are made from: the 8-bit "rgb" image or its "luma", in double; or the LR
    "files" of the set (default: "files" where the set has them)."""
    grey: Grey | None = None
    """Whether grey files are measured on their "luma" or on the values "stored"."""
    shave: int | None = None
    """Pixels left out at each side."""
    self_ensemble: bool = False
    """Adds a row: the network's mean over the eight flips and rotations of its input."""
    worst: int = 0
    """Shows this many images of each benchmark, those with the lowest PSNR, worst first."""
    json: Path | None = None
    """File for the scores, of every image too."""
    csv: Path | None = None
    """File for the scores of every image, one in a line."""
    save_images: Path | None = None
    """Folder for the enlarged images."""
    error_maps: Path | None = None
    """Folder for images of the error: black is none, white 48 grey levels or more."""
    upsampler: Layout | None = None
    """Which upsampler of the workdir to evaluate (default: the first)."""
    checkpoint: str | None = None
    """Which checkpoint of the workdir to evaluate: "best" on the held-out images, "last", or a
    step (default: the final weights)."""
    activation: Activation | None = None
    """Activation after the hidden layers of a PyTorch checkpoint, which does not state it
    (default: that of the network's paper, "tanh" for ESPCN)."""
    output_activation: OutputActivation | None = None
    """Activation at the end of a PyTorch checkpoint, which does not state it (default: "none")."""
    data_root: Path | None = None
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""

    def __post_init__(self):
        if self.scale < 2:
            raise InputError(f"scale must be a whole number of at least 2; got {self.scale}")
        if not self.benchmarks:
            raise InputError("benchmarks must name at least one folder of images")
        if self.worst < 0:
            raise InputError(f"worst must be a number of images; got {self.worst}")

    def choose_protocol(self) -> Protocol:
        """Returns the protocol by its name, with the choices that were given."""
        choices = {name: getattr(self, name) for name in CHOICES}
        return Protocol.named(self.protocol, self.scale, **choices)


def run(options: Options) -> int:
    """Measures a target on benchmarks, shows the scores and writes the files that are asked for."""
    console, protocol = make_console(), options.choose_protocol()
    check_outputs(options.json, options.csv)
    # The LR files of a set are used, unless --lr-from names what to make them from.
    wanted = None if options.lr_from in ("rgb", "luma") else options.scale
    benchmarks = find_benchmarks(
        options.benchmarks, data_root(options.data_root), wanted, protocol.degradation
    )
    name, activation, output = options.target, options.activation, options.output_activation
    if name == BICUBIC_NAME:
        check_options(name, options.checkpoint, activation, output)
        upscaler: Upscaler = BicubicUpscaler(options.scale, protocol.degradation.border)
        about: dict[str, Any] = {"name": name}
    else:
        model = find_model(
            name,
            options.scale,
            upsampler=options.upsampler,
            checkpoint=options.checkpoint,
            activation=activation,
            output_activation=output,
        )
        upscaler, about = model.upscaler(), model.to_json()
        for note in model.notes:
            console.print(f"note: {note}", soft_wrap=True, highlight=False)
    measured = measure_model(
        upscaler,
        benchmarks,
        protocol,
        console,
        self_ensemble=options.self_ensemble,
        images=options.save_images,
        error_maps=options.error_maps,
    )
    write_measurement(measured, about, json=options.json, csv=options.csv)
    show_measurement(measured, about, console, options.worst)
    return 0
