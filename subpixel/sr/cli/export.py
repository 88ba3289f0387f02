"""The command `export`."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from subpixel.kernels import Layout
from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.export.formats import Choices, export_network
from subpixel.sr.export.onnx_graph import DEFAULT_OPSET
from subpixel.sr.find import find_model


@dataclass(frozen=True)
class Options:
    """Writes a trained network for other programs: ONNX, PyTorch, StableHLO or safetensors."""

    model: tyro.conf.Positional[str]
    """A released model's name, a workdir of train.py, a weights file, or a PyTorch checkpoint."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The file. Its suffix is the format: .onnx, .safetensors, .pth, .pt or .stablehlo."""
    layout: Layout = "subpixel"
    """How the file computes the upsampling. The function is the same, the speed is not."""
    uint8: bool = False
    """Images are uint8 in 0..255 instead of float32 in 0..1 (.onnx)."""
    opset: int = DEFAULT_OPSET
    """Version of ONNX's operators."""
    size: Annotated[str | None, tyro.conf.arg(metavar="WxH")] = None
    """Width and height of the only image that an .onnx file takes, such as 640x360, for programs
    that need fixed sizes (OpenCV 4.10). Default: any number of images of any size."""
    overwrite: bool = False
    """Replaces the file if there is one."""
    upsampler: Layout | None = None
    """Which upsampler of a workdir to export (default: the first)."""
    checkpoint: str | None = None
    """Which checkpoint of a workdir to export: "best", "last" or a step (default: the weights
    that the run ended with)."""
    activation: Activation | None = None
    """Activation after the hidden layers of a PyTorch checkpoint, which does not state it
    (default: that of the network's paper, "tanh" for ESPCN)."""
    output_activation: OutputActivation | None = None
    """Activation at the end of a PyTorch checkpoint, which does not state it (default: "none")."""
    name: str | None = None
    """Name that the file states (default: that of the workdir or file)."""
    version: str | None = None
    """Version of the weights that the file states (default: the SHA-256 of a released model)."""
    license: str | None = None
    """Licence of the weights that the file states, such as Apache-2.0."""
    training_data: str | None = None
    """Training data that the file states (default: that of a released model, or the
    data sets of a workdir's config)."""


def run(options: Options) -> int:
    """Writes the file and describes it."""
    check_outputs(options.output)
    # A device or a pipe is written into, and holds nothing that could be lost.
    if options.output.is_file() and not options.overwrite:
        raise InputError(f"{options.output} exists: give another name, or --overwrite")
    if options.upsampler is not None and not Path(options.model).is_dir():
        raise InputError(
            f"--upsampler is for workdirs of train.py, and {options.model} is none; --layout "
            "chooses how the file computes the upsampling"
        )
    model = find_model(
        options.model,
        upsampler=options.upsampler,
        checkpoint=options.checkpoint,
        activation=options.activation,
        output_activation=options.output_activation,
    )
    provenance = model.provenance.stating(
        name=options.name,
        version=options.version,
        license=options.license,
        training_data=options.training_data,
    )
    choices = Choices(
        layout=options.layout,
        uint8=options.uint8,
        opset=options.opset,
        size=_size(options.size),
    )
    console = make_console()
    # JAX compiles the network for each image of the check, which takes most of the time.
    with console.status(f"writing {options.output} and comparing it with the network in JAX"):
        told = export_network(replace(model, provenance=provenance), options.output, choices)
    size = f"{options.output.stat().st_size:,} bytes, " if options.output.is_file() else ""
    for note in model.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    console.print(f"{options.output}: {size}{options.layout}", highlight=False)
    console.print(told, highlight=False, markup=False, soft_wrap=True)
    return 0


def _size(text: str | None) -> tuple[int, int] | None:
    """Returns height and width of WIDTHxHEIGHT."""
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if match is None:
        raise InputError(f"--size must be WIDTHxHEIGHT in pixels, such as 640x360; got {text!r}")
    return int(match[2]), int(match[1])
