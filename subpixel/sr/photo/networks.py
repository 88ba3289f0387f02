"""Loads networks for tiles. This module imports JAX, which takes a second."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from subpixel.sr._support.compilations import keep_compilations
from subpixel.sr.export.formats import Choices, onnx_bytes
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.inference.upscaler import forward
from subpixel.sr.models.find import find_model
from subpixel.sr.models.weights import weights_digest
from subpixel.sr.photo.colour import back_project, enlarge_opaque
from subpixel.sr.photo.onnx_files import Loaded, with_onnx_runtime


def load_with_jax(target: str, rounds: int, **choices: Any) -> Loaded:
    """Returns a network that JAX runs, compiled once for each shape of a tile.

    Args:
      target: as in `find_model`.
      rounds: of back-projection.
      choices: the options of `find_model`.

    Raises:
      InputError: if there is no such target, or it cannot be read.
    """
    keep_compilations()
    trained = find_model(target, **choices)
    scale, channels = trained.config.scale, trained.config.channels
    run = partial(_enlarge, trained.graph, scale, channels, rounds, trained.params)
    return Loaded(weights_digest(trained), scale, trained.shapes.radius, run, trained.notes)


def load_exported(target: str, rounds: int, **choices: Any) -> Loaded:
    """Returns a network that is exported now and that ONNX Runtime runs.

    Args:
      target: as in `find_model`.
      rounds: of back-projection.
      choices: the options of `find_model`.

    Raises:
      InputError: if there is no such target, it cannot be read, or ONNX Runtime is not installed.
    """
    trained = find_model(target, **choices)
    network = OnnxNetwork(onnx_bytes(trained, Choices())[0])
    return with_onnx_runtime(network, target, weights_digest(trained), rounds, trained.notes)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _enlarge(
    graph: nnx.GraphDef[Any], scale: int, channels: int, rounds: int, params: Any, tile: jax.Array
) -> jax.Array:
    def network(x: jax.Array) -> jax.Array:
        return forward(graph, params, x[None])[0]

    hr = enlarge_opaque(jnp.asarray(tile), network, scale, channels)
    return back_project(tile, hr.clip(0, 1), scale, rounds) if rounds else hr
