"""Loads networks for tiles. This module imports JAX, which takes a second."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float32

from subpixel.sr.errors import InputError
from subpixel.sr.export.formats import Choices, Source, onnx_bytes
from subpixel.sr.export.provenance import UNKNOWN, Provenance
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.inference.upscaler import forward
from subpixel.sr.models.weights import digest_of, weights_digest
from subpixel.sr.targets import load_trained
from subpixel.sr.training.compilations import keep_compilations
from subpixel.sr.upscaling.colour import back_project, enlarge_opaque

ONNX_SUFFIX = ".onnx"


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


def load_with_jax(target: str, rounds: int, **choices: Any) -> Loaded:
    """Returns a network that JAX runs, compiled once for each shape of a tile.

    Args:
      target: as in `load_trained`.
      rounds: of back-projection.
      choices: the options of `load_trained`.

    Raises:
      InputError: if there is no such target, or it cannot be read.
    """
    if Path(target).suffix.lower() == ONNX_SUFFIX:
        raise InputError(f"{target} is run by ONNX Runtime: add --engine=onnxruntime")
    keep_compilations()
    trained = load_trained(target, **choices)
    scale, channels = trained.config.scale, trained.config.channels
    run = partial(_enlarge, trained.graph, scale, channels, rounds, trained.params)
    return Loaded(weights_digest(trained), scale, trained.shapes.radius, run, trained.notes)


def load_with_onnx_runtime(target: str, rounds: int, **choices: Any) -> Loaded:
    """Returns a network that ONNX Runtime runs.

    Args:
      target: as in `load_trained`, or a file of `python -m subpixel export`.
      rounds: of back-projection.
      choices: the options of `load_trained`.

    Raises:
      InputError: if there is no such target, it cannot be read, or ONNX Runtime is not installed.
    """
    path, notes = Path(target), ()
    if path.suffix.lower() == ONNX_SUFFIX and path.is_file():
        network = OnnxNetwork(path)
        version = network.metadata.get("version", UNKNOWN)
        if version == UNKNOWN:
            version = digest_of(path.read_bytes())
    else:
        trained = load_trained(target, **choices)
        notes = trained.notes
        provenance = Provenance(name=path.name)
        source = Source(trained.config, trained.upsampler, trained.params, provenance)
        network = OnnxNetwork(onnx_bytes(source, Choices())[0])
        version = weights_digest(trained)
    if network.uint8:
        raise InputError(f"{target} rounds to 8 bits inside: export it without --uint8")

    def run(tile: np.ndarray) -> np.ndarray:
        hr = enlarge_opaque(tile, lambda x: network(x[None])[0], network.scale, network.channels)
        return back_project(tile, hr.clip(0, 1), network.scale, rounds) if rounds else hr

    return Loaded(version, network.scale, network.radius, run, notes)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _enlarge(
    graph: nnx.GraphDef[Any], scale: int, channels: int, rounds: int, params: Any, tile: jax.Array
) -> jax.Array:
    def network(x: jax.Array) -> jax.Array:
        return forward(graph, params, x[None])[0]

    hr = enlarge_opaque(jnp.asarray(tile), network, scale, channels)
    return back_project(tile, hr.clip(0, 1), scale, rounds) if rounds else hr
