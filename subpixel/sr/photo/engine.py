"""The models that enlarge tiles: bicubic, a network in JAX, or its exported graph.

This module imports neither JAX nor Flax, which bicubic and an exported file do not need.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float32

from subpixel.image import imresize
from subpixel.sr._support.command import command_name
from subpixel.sr._support.errors import InputError, NonFiniteError
from subpixel.sr._support.files import digest_of
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.inference.bicubic import BICUBIC_NAME, BICUBIC_RADIUS
from subpixel.sr.inference.colour import enlarge_opaque
from subpixel.sr.provenance import UNKNOWN

Engine = Literal["auto", "jax", "onnxruntime"]
DEFAULT_MODEL = "espcn"
BICUBIC_SCALES = tuple(range(2, 17))


@dataclass(frozen=True)
class Model:
    """A model that enlarges a tile of a grey or RGB image.

    Attributes:
      version: of its weights, for the metadata of the file; "" for bicubic.
      radius: how many pixels to each side an output pixel depends on; bicubic enlarges colours.
      run: (h, w, 1 or 3) in 0..1 -> (r*h, r*w, 1 or 3).
      tiles_at_once: how many calls of `run` in parallel are faster than one after the other.
    """

    name: str
    version: str
    scale: int
    radius: int
    run: Callable[[Float32[np.ndarray, "h w c"]], Any]
    tiles_at_once: int = 1

    def enlarge(self, tile: Float32[np.ndarray, "h w c"]) -> Float32[np.ndarray, "hr_h hr_w c"]:
        """Runs the model on a tile.

        Raises:
          NonFiniteError: if the output is not finite.
        """
        output = np.asarray(self.run(tile))
        if not np.isfinite(output).all():
            raise NonFiniteError(f"the output of {self.name} is not finite: check its weights")
        return output


@dataclass(frozen=True)
class ModelFamily:
    """The scales of one model; the network of a scale is loaded when it is first used.

    `engine` is the library that computes them, "" for bicubic; `notes` are for the user.
    """

    name: str
    loaders: Mapping[int, Callable[[], Model]]
    engine: str = ""
    notes: tuple[str, ...] = ()

    @property
    def scales(self) -> tuple[int, ...]:
        """The available scales."""
        return tuple(sorted(self.loaders))

    def of_scale(self, scale: int) -> Model:
        """Returns the model of a scale."""
        return self.loaders[scale]()


def find_models(
    name: str,
    engine: Engine = "jax",
    *,
    activation: Activation | None = None,
    output_activation: OutputActivation | None = None,
) -> ModelFamily:
    """Returns the models that a name stands for.

    Args:
      name: "bicubic"; the name of a released model, without its scale ("espcn") or with it
        ("espcn_x3"); a weights file, a workdir or a PyTorch checkpoint; or a file of
        `python -m subpixel export`.
      engine: the library that computes a network; "auto" is ONNX Runtime where it is installed and
        JAX has no accelerator, and else JAX.
      activation, output_activation: of a PyTorch checkpoint, which does not state them.

    Raises:
      InputError: if there is no such model, an option does not apply to it, or the engine is not
        installed.
    """
    if engine not in get_args(Engine):
        raise InputError(f"engine must be one of {', '.join(get_args(Engine))}; got {engine!r}")
    choices = {"activation": activation, "output_activation": output_activation}
    if Path(name).suffix.lower() == ".onnx":
        if any(choices.values()):
            raise InputError(f"{name} has its activations in its graph: leave out --activation")
        if engine == "jax":
            raise InputError(f"{name} is run by ONNX Runtime: leave out --engine=jax")
        model = _onnx_file(name)
        return ModelFamily(name, {model.scale: lambda: model}, "ONNX Runtime")
    if name == BICUBIC_NAME and not any(choices.values()):
        return ModelFamily(name, {r: cache(partial(_bicubic, r)) for r in BICUBIC_SCALES})
    try:
        from subpixel.sr.photo.networks import find_networks
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("jax", "jaxlib", "flax"):
            raise
        raise InputError(
            f"{name} needs the package {package}, which is not installed: install it, or give "
            f"--model=FILE.onnx, a file of `{command_name()} export`"
        ) from None
    return find_networks(name, engine, **choices)


def _bicubic(scale: int) -> Model:
    return Model(BICUBIC_NAME, "", scale, BICUBIC_RADIUS, lambda tile: imresize(tile, scale))


def _onnx_file(name: str) -> Model:
    path = Path(name)
    if not path.is_file():
        raise InputError(f"{name} is no file: name one that `{command_name()} export` wrote")
    network = OnnxNetwork(path)
    version = network.metadata.get("version", UNKNOWN)
    if version == UNKNOWN:
        version = digest_of(path.read_bytes())
    return onnx_model(network, name, version)


def onnx_model(network: OnnxNetwork, target: str, version: str) -> Model:
    """Returns the model of an exported network, whose name the user gave as `target`.

    Raises:
      InputError: if the network rounds to 8 bits.
    """
    if network.uint8:
        raise InputError(f"{target} rounds to 8 bits inside: export it without --uint8")

    def run(tile: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):
            return enlarge_opaque(
                tile, lambda x: network(x[None])[0], network.scale, network.channels
            )

    radius = max(network.radius, BICUBIC_RADIUS)
    return Model(Path(target).name, version, network.scale, radius, run)
