"""Loads networks for tiles. This module imports JAX, which takes a second."""

import hashlib
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from subpixel import __version__
from subpixel.sr._support.caches import cache_root
from subpixel.sr._support.compilations import keep_compilations
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_bytes
from subpixel.sr.export.formats import Choices, onnx_bytes
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.inference.upscaler import enlarge_image
from subpixel.sr.models.find import find_model
from subpixel.sr.models.weights import weights_digest
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
    run = partial(enlarge_image, trained.graph, scale, channels, rounds, trained.params)
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
    digest = weights_digest(trained)
    # Activations are no part of the digest.
    options = hashlib.sha256(repr((trained.config, trained.upsampler)).encode()).hexdigest()[:16]
    kept = cache_root() / "onnx" / f"{digest.partition(':')[2]}-{options}-{__version__}.onnx"
    if kept.is_file():
        with suppress(InputError):
            return with_onnx_runtime(OnnxNetwork(kept), target, digest, rounds, trained.notes)
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            content = onnx_bytes(trained, Choices())[0]
    except RuntimeError:
        # The graph cannot be compared with a network whose output is not finite: JAX names it.
        return load_with_jax(target, rounds, **choices)
    # Exporting takes seconds; without a place to keep the graph it is exported each time.
    with suppress(OSError, InputError):
        write_bytes(kept, content)
    return with_onnx_runtime(OnnxNetwork(content), target, digest, rounds, trained.notes)
