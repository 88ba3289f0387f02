"""The models that enlarge tiles: bicubic, a network in JAX, or its exported graph."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float32

from subpixel.image import imresize
from subpixel.sr._support.command import command_name
from subpixel.sr._support.errors import InputError, NonFiniteError
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.inference.bicubic import BICUBIC_NAME, BICUBIC_RADIUS
from subpixel.sr.inference.colour import BACK_PROJECTION_RADIUS, back_project
from subpixel.sr.inference.tiling import TILES_AT_ONCE
from subpixel.sr.photo.onnx_files import is_onnx_file, load_onnx_file

Engine = Literal["auto", "jax", "onnxruntime"]
ENGINE_NAMES = {"jax": "JAX", "onnxruntime": "ONNX Runtime"}
DEFAULT_MODEL = "espcn"
BICUBIC_SCALES = tuple(range(2, 17))
# After this many rounds the changes are smaller than the rounding to 8 bits.
BACK_PROJECTION_ROUNDS = 6


@dataclass(frozen=True)
class Model:
    """A model that enlarges a tile of a grey or RGB image.

    Attributes:
      name: for the metadata of the file.
      version: of its weights, for the metadata of the file; "" for bicubic.
      scale: r.
      radius: how many pixels to each side an output pixel depends on.
      run: (h, w, 1 or 3) in 0..1 -> (r*h, r*w, 1 or 3).
      notes: notes for the user, one line each.
      tiles_at_once: how many calls of `run` in parallel are faster than one after the other.
    """

    name: str
    version: str
    scale: int
    radius: int
    run: Callable[[Float32[np.ndarray, "h w c"]], Float32[np.ndarray, "hr_h hr_w c"]]
    notes: tuple[str, ...] = ()
    tiles_at_once: int = 1


@dataclass(frozen=True)
class ModelFamily:
    """The scales of one model; the network of a scale is loaded when it is first used.

    Args:
      name: as a user gives it.
      loaders: functions that load the model of each scale.
      engine: the library that computes them; "" for bicubic.
      notes: notes for the user, one line each.
    """

    name: str
    loaders: Mapping[int, Callable[[], Model]]
    engine: str = ""
    notes: tuple[str, ...] = ()

    @property
    def scales(self) -> tuple[int, ...]:
        """The available scales."""
        return tuple(sorted(self.loaders))

    @cached_property
    def _loaded(self) -> dict[int, Model]:
        return {}

    def of_scale(self, scale: int) -> Model:
        """Returns the model of a scale."""
        if scale not in self._loaded:
            self._loaded[scale] = self.loaders[scale]()
        return self._loaded[scale]


def find_models(
    name: str,
    engine: Engine = "jax",
    consistent: bool = False,
    *,
    activation: Activation | None = None,
    output_activation: OutputActivation | None = None,
) -> ModelFamily:
    """Returns the models that a name stands for.

    Args:
      name: "bicubic"; the name of a released model, without its scale ("espcn") or with it
        ("espcn_x3"); a weights file, a workdir or a PyTorch checkpoint.
      engine: the library that computes a network; "auto" is ONNX Runtime where it is installed and
        JAX has no accelerator, and else JAX.
      consistent: whether back-projection changes the result until it shrinks to its input.
      activation: after the hidden layers of a PyTorch checkpoint, which does not state it.
      output_activation: at the end of a PyTorch checkpoint, which does not state it.

    Raises:
      InputError: if there is no such model, an option does not apply to it, or the engine is not
        installed.
    """
    if engine not in get_args(Engine):
        raise InputError(f"engine must be one of {', '.join(get_args(Engine))}; got {engine!r}")
    rounds = BACK_PROJECTION_ROUNDS if consistent else 0
    choices = {"activation": activation, "output_activation": output_activation}
    if any(choices.values()):
        if is_onnx_file(name):
            raise InputError(f"{name} has its activations in its graph: leave out --activation")
        with _importing_jax(name):
            from subpixel.sr.models.find import check_options
        check_options(name, activation=activation, output_activation=output_activation)
    if name == BICUBIC_NAME:
        return ModelFamily(name, {r: partial(_bicubic, r, rounds) for r in BICUBIC_SCALES})
    engine = _fastest(name) if engine == "auto" else engine
    if released := _released_scales(name):
        loaders = {r: partial(_network, each, each, engine, rounds) for r, each in released.items()}
        return ModelFamily(name, loaders, ENGINE_NAMES[engine])
    model = _network(name, Path(name).name, engine, rounds, **choices)
    return ModelFamily(name, {model.scale: lambda: model}, ENGINE_NAMES[engine], model.notes)


def _fastest(name: str) -> Engine:
    """Returns the engine that "auto" stands for."""
    if is_onnx_file(name):
        return "onnxruntime"
    # A network is exported by `onnx` first.
    if any(find_spec(package) is None for package in ("onnx", "onnxruntime")):
        return "jax"
    with _importing_jax(name):
        import jax
    return "onnxruntime" if jax.devices()[0].platform == "cpu" else "jax"


def _released_scales(name: str) -> dict[int, str]:
    """Returns the released models of a name by their scales; none for an exported file."""
    if is_onnx_file(name):
        return {}
    # This import loads Flax, which bicubic and an exported file do not need.
    with _importing_jax(name):
        from subpixel.sr.models.released import released_scales
    return released_scales(name)


@contextmanager
def _importing_jax(target: str) -> Iterator[None]:
    """Surrounds an import that loads JAX, which may not be installed."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("jax", "jaxlib", "flax"):
            raise
        raise InputError(
            f"{target} needs the package {package}, which is not installed: install it, or give "
            f"--engine=onnxruntime and --model=FILE.onnx, a file of `{command_name()} export`"
        ) from None


def _bicubic(scale: int, rounds: int) -> Model:
    def run(tile: np.ndarray) -> np.ndarray:
        hr = imresize(tile, scale)
        return back_project(tile, hr.clip(0, 1), scale, rounds) if rounds else hr

    return Model(BICUBIC_NAME, "", scale, BICUBIC_RADIUS + rounds * BACK_PROJECTION_RADIUS, run)


def _network(target: str, name: str, engine: Engine, rounds: int, **choices: Any) -> Model:
    if engine == "onnxruntime" and is_onnx_file(target):
        loaded = load_onnx_file(target, rounds)
    elif is_onnx_file(target):
        raise InputError(f"{target} is run by ONNX Runtime: leave out --engine=jax")
    else:
        # This import loads JAX, which bicubic and an exported file do not need.
        with _importing_jax(target):
            from subpixel.sr.photo.networks import load_exported, load_with_jax
        load = load_exported if engine == "onnxruntime" else load_with_jax
        loaded = load(target, rounds, **choices)
    radius = max(loaded.radius, BICUBIC_RADIUS) + rounds * BACK_PROJECTION_RADIUS
    run = _finite(loaded.run, target)
    # ONNX Runtime divides each tile among all processors itself.
    at_once = TILES_AT_ONCE if engine == "jax" else 1
    return Model(name, loaded.version, loaded.scale, radius, run, loaded.notes, at_once)


def _finite(run: Callable[[np.ndarray], Any], target: str) -> Callable[[np.ndarray], np.ndarray]:
    def checked(tile: np.ndarray) -> np.ndarray:
        output = np.asarray(run(tile))
        if not np.isfinite(output).all():
            raise NonFiniteError(f"the output of {target} is not finite: check its weights")
        return output

    return checked
