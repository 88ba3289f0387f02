"""Finds the networks of a name. This module imports JAX, which takes a second."""

import hashlib
from contextlib import suppress
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subpixel import __version__
from subpixel.sr._support.caches import cache_root
from subpixel.sr._support.compilations import keep_compilations
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_bytes
from subpixel.sr.export.formats import Choices, onnx_bytes
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.find import check_options, find_model
from subpixel.sr.inference.bicubic import BICUBIC_RADIUS
from subpixel.sr.inference.tiling import TILES_AT_ONCE
from subpixel.sr.inference.upscaler import enlarge_image
from subpixel.sr.models.released import released_scales
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.models.weights import weights_digest
from subpixel.sr.photo.engine import Engine, Model, ModelFamily, onnx_model


def find_networks(target: str, engine: Engine, **choices: Any) -> ModelFamily:
    """Returns the networks of a released model or another target, as in `find_models`.

    Raises:
      InputError: as in `find_models`.
    """
    check_options(target, **choices)
    if engine == "auto":
        # A network is exported by `onnx` first.
        installed = all(find_spec(package) for package in ("onnx", "onnxruntime"))
        engine = "onnxruntime" if installed and jax.default_backend() == "cpu" else "jax"
    load, name = (_exported, "ONNX Runtime") if engine == "onnxruntime" else (_with_jax, "JAX")
    if released := released_scales(target):
        loaders = {
            r: cache(lambda each=each: load(each, find_model(each))) for r, each in released.items()
        }
        return ModelFamily(target, loaders, name)
    trained = find_model(target, **choices)
    model = load(target, trained)
    return ModelFamily(target, {model.scale: lambda: model}, name, trained.notes)


def _with_jax(target: str, trained: TrainedNetwork) -> Model:
    keep_compilations()
    scale, channels = trained.config.scale, trained.config.channels
    # Compiled once for each shape of a tile.
    run = partial(enlarge_image, trained.graph, scale, channels, trained.params)
    digest, radius = weights_digest(trained), max(trained.shapes.radius, BICUBIC_RADIUS)
    return Model(Path(target).name, digest, scale, radius, run, TILES_AT_ONCE)


def _exported(target: str, trained: TrainedNetwork) -> Model:
    digest = weights_digest(trained)
    # Activations are no part of the digest.
    options = hashlib.sha256(repr((trained.config, trained.upsampler)).encode()).hexdigest()[:16]
    kept = cache_root() / "onnx" / f"{digest.partition(':')[2]}-{options}-{__version__}.onnx"
    if kept.is_file():
        with suppress(InputError):
            return onnx_model(OnnxNetwork(kept), target, digest)
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            content = onnx_bytes(trained, Choices())[0]
    except RuntimeError:
        # The graph cannot be compared with a network whose output is not finite: JAX names it.
        return _with_jax(target, trained)
    # Exporting takes seconds; without a place to keep the graph it is exported each time.
    with suppress(OSError, InputError):
        write_bytes(kept, content)
    return onnx_model(OnnxNetwork(content), target, digest)
