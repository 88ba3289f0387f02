"""Loads networks for tiles. This module imports JAX, which takes a second."""

import hashlib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from subpixel import __version__
from subpixel.sr._support.caches import cache_root
from subpixel.sr._support.compilations import keep_compilations
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_bytes
from subpixel.sr.export.formats import Choices, Source, onnx_bytes
from subpixel.sr.export.provenance import Provenance
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.inference.upscaler import enlarge_image
from subpixel.sr.models.weights import weights_digest
from subpixel.sr.photo.onnx_files import Loaded, with_onnx_runtime
from subpixel.sr.targets import load_trained


def load_with_jax(target: str, rounds: int, **choices: Any) -> Loaded:
    """Returns a network that JAX runs, compiled once for each shape of a tile.

    Args:
      target: as in `load_trained`.
      rounds: of back-projection.
      choices: the options of `load_trained`.

    Raises:
      InputError: if there is no such target, or it cannot be read.
    """
    keep_compilations()
    trained = load_trained(target, **choices)
    scale, channels = trained.config.scale, trained.config.channels
    run = partial(enlarge_image, trained.graph, scale, channels, rounds, trained.params)
    return Loaded(weights_digest(trained), scale, trained.shapes.radius, run, trained.notes)


def load_exported(target: str, rounds: int, **choices: Any) -> Loaded:
    """Returns a network that is exported now and that ONNX Runtime runs.

    Args:
      target: as in `load_trained`.
      rounds: of back-projection.
      choices: the options of `load_trained`.

    Raises:
      InputError: if there is no such target, it cannot be read, or ONNX Runtime is not installed.
    """
    trained = load_trained(target, **choices)
    digest = weights_digest(trained)
    # Activations are no part of the digest.
    options = hashlib.sha256(repr((trained.config, trained.upsampler)).encode()).hexdigest()[:16]
    kept = cache_root() / "onnx" / f"{digest.partition(':')[2]}-{options}-{__version__}.onnx"
    if kept.is_file():
        with suppress(InputError):
            return with_onnx_runtime(OnnxNetwork(kept), target, digest, rounds, trained.notes)
    provenance = Provenance(name=Path(target).name)
    source = Source(trained.config, trained.upsampler, trained.params, provenance)
    content = onnx_bytes(source, Choices())[0]
    # Exporting takes seconds; without a place to keep the graph it is exported each time.
    with suppress(OSError, InputError):
        write_bytes(kept, content)
    return with_onnx_runtime(OnnxNetwork(content), target, digest, rounds, trained.notes)
