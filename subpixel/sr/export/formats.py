"""Writes a network in the format that the file's suffix names."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from flax import nnx

from subpixel import __version__
from subpixel.kernels import Layout
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_bytes
from subpixel.sr.export.check import SIZES, check_onnx, check_stablehlo
from subpixel.sr.export.onnx_graph import DEFAULT_OPSET, build_onnx
from subpixel.sr.export.stablehlo import PLATFORMS, stablehlo_bytes
from subpixel.sr.export.torch_module import torch_module
from subpixel.sr.export.torch_writer import torch_bytes
from subpixel.sr.models import Network
from subpixel.sr.models.torch_files import EXPORTED
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.models.weights import save_weights
from subpixel.sr.serialization import to_json


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How a file is written.

    Attributes:
      layout: of the upsampling.
      uint8: whether images are uint8 in 0..255 instead of float32 in 0..1 (ONNX).
      opset: of ONNX.
      size: height and width of the only image that an ONNX file takes; None: any number and size.
    """

    layout: Layout = "subpixel"
    uint8: bool = False
    opset: int = DEFAULT_OPSET
    size: tuple[int, int] | None = None


def export_network(model: TrainedNetwork, path: Path, choices: Choices) -> str:
    """Writes a network to a file: .onnx, .safetensors, .pth, .pt or .stablehlo.

    Returns:
      A description of the file, in a few lines of text.

    Raises:
      InputError: if the suffix is unknown, a choice does not go with the format, or a package that
        the format needs is not installed.
      RuntimeError: if the exported model computes another function than the network.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{path} has no suffix of a format: it must end in {', '.join(_WRITERS)}")
    only_onnx = {"uint8": False, "opset": DEFAULT_OPSET, "size": None}
    for option, default in only_onnx.items() if writer is not _write_onnx else ():
        if getattr(choices, option) != default:
            raise InputError(
                f"--{option} does not apply to a {path.suffix.lower()} file: leave it out"
            )
    return writer(model, path, choices)


def onnx_bytes(model: TrainedNetwork, choices: Choices) -> tuple[bytes, float]:
    """Returns the ONNX model of a network, checked, and its largest difference from the network.

    Raises:
      InputError: if a package is not installed, or the opset is not known.
      RuntimeError: if the model computes another function than the network.
    """
    network = model.in_float32(choices.layout)
    graph = build_onnx(
        network.operations(),
        scale=network.scale,
        channels=network.channels,
        layout=choices.layout,
        uint8=choices.uint8,
        opset=choices.opset,
        size=choices.size,
        metadata=_metadata(model, network, choices.layout),
    )
    graph.producer_version = __version__
    content = graph.SerializeToString()
    sizes = SIZES if choices.size is None else ((1, *choices.size),)
    return content, check_onnx(content, network, sizes)


def _metadata(model: TrainedNetwork, network: Network, layout: Layout) -> dict[str, str]:
    image = "RGB" if network.channels == 3 else "luma Y of BT.601 in studio range, 16..235 of 255"
    return {
        **asdict(model.provenance),
        "scale": str(network.scale),
        "channels": str(network.channels),
        "radius": str(network.radius),
        "layout": layout,
        "image": image,
        "model": json.dumps(to_json(model.config)),
    }


def _write_onnx(model: TrainedNetwork, path: Path, choices: Choices) -> str:
    content, difference = onnx_bytes(model, choices)
    write_bytes(path, content)
    kind = "uint8 in 0..255" if choices.uint8 else "float32 in 0..1"
    shape = "(batch, channels, height, width)"
    if choices.size is not None:
        shape = f"(1, {model.config.channels}, {choices.size[0]}, {choices.size[1]})"
    return (
        f"ONNX, opset {choices.opset}, input {shape}, input and output {kind}\n"
        f"ONNX Runtime and JAX differ by at most {difference:.0e} of the range"
    )


def _write_safetensors(model: TrainedNetwork, path: Path, choices: Choices) -> str:
    _, state = nnx.split(model.in_float32(choices.layout))
    save_weights(path, nnx.to_pure_dict(state), model.config, choices.layout)
    return "weights of this project, in safetensors"


def _write_torch(model: TrainedNetwork, path: Path, choices: Choices) -> str:
    network = model.in_float32(choices.layout)
    state, code = torch_module(network.operations(), choices.layout)
    texts = {EXPORTED: json.dumps(_metadata(model, network, choices.layout))}
    write_bytes(path, torch_bytes(state, texts))
    load = f'torch.load("{path.name}", weights_only=True)["params"]'
    return f"PyTorch; the module that loads it:\n\n{code}model.load_state_dict({load})"


def _write_stablehlo(model: TrainedNetwork, path: Path, choices: Choices) -> str:
    network = model.in_float32(choices.layout)
    content = stablehlo_bytes(network)
    difference = check_stablehlo(content, network)
    write_bytes(path, content)
    return (
        f"StableHLO of jax.export for {', '.join(PLATFORMS)}; read by JAX releases of six months\n"
        f"the file and JAX differ by at most {difference:.0e} of the range"
    )


_WRITERS: dict[str, Callable[[TrainedNetwork, Path, Choices], str]] = {
    ".onnx": _write_onnx,
    ".safetensors": _write_safetensors,
    ".pth": _write_torch,
    ".pt": _write_torch,
    ".stablehlo": _write_stablehlo,
}
