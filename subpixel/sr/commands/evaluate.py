"""The command `evaluate`, which eval.py runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from subpixel.image import Border, LumaRange
from subpixel.kernels import Layout
from subpixel.sr.console import make_console
from subpixel.sr.data.degradation import Kind
from subpixel.sr.data.sources import data_root, find_benchmarks
from subpixel.sr.errors import InputError
from subpixel.sr.evaluation.images import make_folders, save_error_map, save_output
from subpixel.sr.evaluation.protocol import Channel, Grey, LrFrom, Protocol, ProtocolName, Rounding
from subpixel.sr.evaluation.scores import Measured, Scores, evaluate
from subpixel.sr.evaluation.table import scores_table, worst_table, write_csv
from subpixel.sr.files import check_outputs, write_json
from subpixel.sr.inference.upscaler import NetworkUpscaler, Upscaler
from subpixel.sr.models.activations import Activation, OutputActivation
from subpixel.sr.targets import load_target

PLAIN, ENSEMBLE = "model", "self_ensemble"


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
    choices of it. See docs/protocol.md."""
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
        """Returns the protocol by its name, with the choices that were given.

        Raises:
          InputError: if they do not go together.
        """
        named = Protocol.named(self.protocol, self.scale)
        degradation = replace(
            named.degradation, **self._given("border", "sigma", "kernel_size", kind="degradation")
        )
        choices = self._given(
            "crop", "channel", "luma_range", "rounding", "lr_from", "grey", "shave"
        )
        return replace(named, degradation=degradation, **choices)

    def _given(self, *names: str, **renamed: str) -> dict[str, Any]:
        fields = {**dict(zip(names, names, strict=True)), **renamed}
        values = {field: getattr(self, option) for field, option in fields.items()}
        return {field: value for field, value in values.items() if value is not None}


def run(options: Options) -> int:
    """Measures a target on benchmarks, shows the scores and leaves the files asked for.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if the target, a benchmark or a choice of the protocol cannot be used.
    """
    console, protocol = make_console(), options.choose_protocol()
    check_outputs(options.json, options.csv)
    # The LR files of a set are used, unless --lr-from names what to make them from.
    wanted = None if options.lr_from in ("rgb", "luma") else options.scale
    benchmarks = find_benchmarks(
        options.benchmarks, data_root(options.data_root), wanted, protocol.degradation
    )
    target = load_target(
        options.target,
        options.scale,
        border=protocol.degradation.border,
        upsampler=options.upsampler,
        checkpoint=options.checkpoint,
        activation=options.activation,
        output_activation=options.output_activation,
    )
    for note in target.notes:
        console.print(f"note: {note}", soft_wrap=True, highlight=False)
    upscaler, about = target.upscaler, target.to_json()
    variants: dict[str, tuple[Upscaler, Protocol]] = {PLAIN: (upscaler, protocol)}
    if options.self_ensemble:
        if not isinstance(upscaler, NetworkUpscaler):
            raise InputError(
                "self_ensemble is for networks: bicubic treats flips and rotations alike"
            )
        variants[ENSEMBLE] = (
            replace(upscaler, self_ensemble=True),
            replace(protocol, self_ensemble=True),
        )
    for folder in (options.save_images, options.error_maps):
        if folder is not None:
            make_folders(folder, list(benchmarks))
    scores: dict[str, dict[str, Scores]] = {variant: {} for variant in variants}
    for name, images in benchmarks.items():
        for variant, (model, how) in variants.items():
            with console.status(f"measuring {name}"):
                observe = _observer(options, name, model)
                scores[variant][name] = evaluate({variant: model}, images, how, observe)[variant]
    _leave_files(options, about, variants, scores)
    _show(options, about, variants, scores, console)
    return 0


def _observer(options: Options, benchmark: str, upscaler: Upscaler) -> Callable[[Measured], None]:
    def observe(measured: Measured) -> None:
        if options.save_images is not None:
            save_output(options.save_images, benchmark, measured, upscaler)
        if options.error_maps is not None:
            save_error_map(options.error_maps, benchmark, measured)

    return observe


def _leave_files(options: Options, about, variants, scores) -> None:
    def row(variant: str) -> dict[str, Any]:
        results = {name: result.to_json() for name, result in scores[variant].items()}
        return {"protocol": variants[variant][1].to_json(), "results": results}

    if options.json is not None:
        plain = row(PLAIN)
        values = {"protocol": plain["protocol"], "model": about, "results": plain["results"]}
        write_json(
            options.json, values | ({ENSEMBLE: row(ENSEMBLE)} if ENSEMBLE in variants else {})
        )
    if options.csv is not None:
        write_csv(options.csv, _rows(about, scores))


def _rows(about: dict[str, Any], scores: dict[str, dict[str, Scores]]):
    names = {PLAIN: about["name"], ENSEMBLE: f"{about['name']}, self-ensemble"}
    return {names[variant]: by_benchmark for variant, by_benchmark in scores.items()}


def _show(options: Options, about, variants, scores, console: Console) -> None:
    rows = _rows(about, scores)
    if options.worst:
        console.print(worst_table(rows, options.worst))
    for _, protocol in variants.values():
        console.print(protocol.describe(), soft_wrap=True)
    title = ", ".join(f"{key} {value}" for key, value in about.items() if key != "name")
    console.print(scores_table(title, rows, list(next(iter(rows.values())))))
