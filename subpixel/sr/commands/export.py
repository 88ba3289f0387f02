"""The command `export`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from subpixel.kernels import Layout
from subpixel.sr.console import make_console
from subpixel.sr.errors import InputError
from subpixel.sr.export.formats import Choices, Source, export_network
from subpixel.sr.export.provenance import UNKNOWN, Provenance
from subpixel.sr.files import check_outputs
from subpixel.sr.models.activations import Activation, OutputActivation
from subpixel.sr.models.released import is_released, read_release
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.targets import load_trained
from subpixel.sr.workdir import read_config


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
    """Images are uint8 in 0..255 instead of float32 in 0..1 (.onnx, .stablehlo)."""
    opset: int | None = None
    """Version of ONNX's operators (default: 17)."""
    compact: bool = False
    """A .pth file has the layout of SRVGGNetCompact, which spandrel and chaiNNer read."""
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
    """Writes the file and says what it is.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if the model cannot be read, the file exists, or the options do not fit together.
    """
    check_outputs(options.output)
    # A device or a pipe is written into, and holds nothing that could be lost.
    if options.output.is_file() and not options.overwrite:
        raise InputError(f"{options.output} exists: give another name, or --overwrite")
    if options.upsampler is not None and not Path(options.model).is_dir():
        raise InputError(
            f"--upsampler is for workdirs of train.py, and {options.model} is none; --layout "
            "chooses how the file computes the upsampling"
        )
    trained = load_trained(
        options.model,
        upsampler=options.upsampler,
        checkpoint=options.checkpoint,
        activation=options.activation,
        output_activation=options.output_activation,
    )
    source = as_source(trained, options.model)
    source = replace(source, provenance=_chosen(source.provenance, options))
    choices = Choices(
        layout=options.layout, uint8=options.uint8, opset=options.opset, compact=options.compact
    )
    told = export_network(source, options.output, choices)
    size = f"{options.output.stat().st_size:,} bytes, " if options.output.is_file() else ""
    console = make_console()
    for note in trained.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    console.print(f"{options.output}: {size}{options.layout}", highlight=False)
    console.print(told, highlight=False, markup=False, soft_wrap=True)
    return 0


def read_source(model: str) -> Source:
    """Returns the trained network of a name, with what is known about its weights.

    Args:
      model: as in `Options`.

    Raises:
      InputError: if the model cannot be read.
    """
    return as_source(load_trained(model), model)


def as_source(trained: TrainedNetwork, model: str) -> Source:
    """Returns a trained network with what is known about its weights.

    Args:
      trained: the network.
      model: its name, as in `Options`.

    Raises:
      InputError: if the config of a workdir, or the facts of a released model, cannot be read.
    """
    provenance = _known_provenance(model)
    return Source(trained.config, trained.upsampler, trained.params, provenance)


def _known_provenance(model: str) -> Provenance:
    path = Path(model)
    if is_released(model):
        release = read_release(model)
        data = ", ".join(release.training_data)
        return Provenance(
            name=release.name,
            version=f"sha256:{release.sha256}",
            license=release.license,
            training_data=data,
        )
    data = ", ".join(read_config(path).data.train) if path.is_dir() else UNKNOWN
    return Provenance(name=path.resolve().stem, training_data=data)


def _chosen(known: Provenance, options: Options) -> Provenance:
    return Provenance(
        name=options.name or known.name,
        version=options.version or known.version,
        license=options.license or known.license,
        training_data=options.training_data or known.training_data,
    )
