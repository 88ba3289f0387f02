"""Loads networks for tiles. This module imports JAX, which takes a second."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from subpixel.sr.errors import InputError
from subpixel.sr.inference.upscaler import NetworkUpscaler, forward
from subpixel.sr.models.weights import load_weights
from subpixel.sr.targets import TORCH_SUFFIXES, load_target
from subpixel.sr.training.compilations import keep_compilations
from subpixel.sr.upscaling.colour import back_project, enlarge_opaque
from subpixel.sr.upscaling.engine import Engine
from subpixel.sr.workdir import read_config

Loaded = tuple[int, int, Callable[[np.ndarray], Any]]


def load_network(target: str, engine: Engine, rounds: int) -> Loaded:
    """Returns scale, radius and the call of a network; it is compiled once for a tile's shape.

    Args:
      target: a weights file, a workdir or a PyTorch checkpoint.
      engine: what computes it.
      rounds: of back-projection.

    Raises:
      InputError: if there is no such target, or it cannot be read.
    """
    del engine
    keep_compilations()
    network = _load(target)
    radius = nnx.merge(network.graph, network.params).radius
    run = partial(_enlarge, network.graph, network.scale, network.channels, rounds, network.params)
    return network.scale, radius, run


def _load(target: str) -> NetworkUpscaler:
    failures: list[InputError] = []
    for scale in _possible_scales(target):
        try:
            network, _ = load_target(target, scale)
        except InputError as error:
            failures.append(error)
            continue
        if isinstance(network, NetworkUpscaler):
            return network
    raise failures[0]


def _possible_scales(target: str) -> tuple[int, ...]:
    path = Path(target)
    if path.is_dir():
        return (read_config(path).model.scale,)
    if path.is_file() and path.suffix.lower() not in TORCH_SUFFIXES:
        return (load_weights(path)[0].scale,)
    # A PyTorch checkpoint does not state its scale; its last layer fits only one.
    return (3, 2, 4, 8)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _enlarge(
    graph: nnx.GraphDef[Any], scale: int, channels: int, rounds: int, params: Any, tile: jax.Array
) -> jax.Array:
    def network(x: jax.Array) -> jax.Array:
        return forward(graph, params, x[None])[0]

    hr = enlarge_opaque(jnp.asarray(tile), network, scale, channels)
    return back_project(tile, hr.clip(0, 1), scale, rounds) if rounds else hr
