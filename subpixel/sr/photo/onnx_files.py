"""Loads exported networks for tiles. This module imports neither JAX nor Flax."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from subpixel.sr._support.command import command_name
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import digest_of
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.inference.colour import back_project, enlarge_opaque
from subpixel.sr.provenance import UNKNOWN


@dataclass(frozen=True)
class Loaded:
    """A network that is ready to enlarge tiles.

    Attributes:
      version: digest of its parameters, or the version that an ONNX file states.
      scale: r.
      radius: how many pixels to each side an output pixel depends on.
      run: (h, w, 1 or 3) in 0..1 -> (r*h, r*w, 1 or 3).
      notes: notes for the user, one line each.
    """

    version: str
    scale: int
    radius: int
    run: Callable[[Float32[np.ndarray, "h w c"]], Any]
    notes: tuple[str, ...] = ()


def is_onnx_file(target: str) -> bool:
    """Whether a target is named as a file of `python -m subpixel export`."""
    return Path(target).suffix.lower() == ".onnx"


def load_onnx_file(target: str, rounds: int) -> Loaded:
    """Returns the network in a file of `python -m subpixel export`.

    Args:
      target: path of the file.
      rounds: of back-projection.

    Raises:
      InputError: if there is no such file, it cannot be used, or ONNX Runtime is not installed.
    """
    path = Path(target)
    if not path.is_file():
        raise InputError(f"{target} is no file: name one that `{command_name()} export` wrote")
    network = OnnxNetwork(path)
    version = network.metadata.get("version", UNKNOWN)
    if version == UNKNOWN:
        version = digest_of(path.read_bytes())
    return with_onnx_runtime(network, target, version, rounds)


def with_onnx_runtime(
    network: OnnxNetwork, target: str, version: str, rounds: int, notes: tuple[str, ...] = ()
) -> Loaded:
    """Returns a network that ONNX Runtime runs.

    Args:
      network: an exported network.
      target: its name, for messages.
      version: as in `Loaded`.
      rounds: of back-projection.
      notes: as in `Loaded`.

    Raises:
      InputError: if the network rounds to 8 bits.
    """
    if network.uint8:
        raise InputError(f"{target} rounds to 8 bits inside: export it without --uint8")

    def run(tile: np.ndarray) -> np.ndarray:
        # The caller names an output that is not finite.
        with np.errstate(invalid="ignore", over="ignore"):
            hr = enlarge_opaque(
                tile, lambda x: network(x[None])[0], network.scale, network.channels
            )
        return back_project(tile, hr.clip(0, 1), network.scale, rounds) if rounds else hr

    return Loaded(version, network.scale, network.radius, run, notes)
