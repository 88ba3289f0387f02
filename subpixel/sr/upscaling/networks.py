"""Loads networks for tiles. This module imports JAX, which takes a second."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from subpixel.sr.inference.upscaler import forward
from subpixel.sr.targets import load_trained
from subpixel.sr.training.compilations import keep_compilations
from subpixel.sr.upscaling.colour import back_project, enlarge_opaque
from subpixel.sr.upscaling.engine import Engine

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
    trained = load_trained(target)
    scale, channels = trained.config.scale, trained.config.channels
    run = partial(_enlarge, trained.graph, scale, channels, rounds, trained.params)
    return scale, trained.shapes.radius, run


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _enlarge(
    graph: nnx.GraphDef[Any], scale: int, channels: int, rounds: int, params: Any, tile: jax.Array
) -> jax.Array:
    def network(x: jax.Array) -> jax.Array:
        return forward(graph, params, x[None])[0]

    hr = enlarge_opaque(jnp.asarray(tile), network, scale, channels)
    return back_project(tile, hr.clip(0, 1), scale, rounds) if rounds else hr
