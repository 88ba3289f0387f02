"""Measures networks on one luma image: ours whole and in tiles, PyTorch, and ONNX Runtime.

python benchmarks/inference.py --rounds 9 --json FILE
"""

import functools
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np
import report
from flax import nnx
from jaxtyping import Float32
from networks import CONFIGS, NetworkName
from race import Program, race, torch_process

from subpixel.kernels import LAYOUTS, Layout
from subpixel.sr._support.console import make_console
from subpixel.sr._support.environment import environment
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs, write_json
from subpixel.sr._support.threads import processors
from subpixel.sr.cli._run import parse_options, run_command
from subpixel.sr.comparison.measure import PAUSE_S, compile_anew, temporary_mib
from subpixel.sr.export.formats import Choices, onnx_bytes
from subpixel.sr.export.runtime import OnnxNetwork
from subpixel.sr.export.torch_module import torch_module
from subpixel.sr.inference.upscaler import NetworkUpscaler
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.provenance import Provenance
from subpixel.sr.training.config import OptimizerConfig
from subpixel.sr.training.parallel import run_platform
from subpixel.sr.training.step import compiler_options

WHOLE, EIGEN, TILES, ONNX = "subpixel, whole", "subpixel, whole, Eigen", "subpixel, tiles", "onnx"

# Contenders compute one function of values in 0..1 in float32. Larger differences are a defect.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Options:
    """Measures inference on one luma image: ours, PyTorch and ONNX Runtime, side by side."""

    networks: tuple[NetworkName, ...] = get_args(NetworkName)
    """Networks to measure."""
    upsamplers: tuple[Layout, ...] = LAYOUTS
    """Upsamplers of each network."""
    scale: int = 3
    """Scale factor of the networks."""
    height: int = 360
    """Height of the LR image, in pixels."""
    width: int = 640
    """Width of the LR image, in pixels."""
    rounds: int = 9
    """Number of timed calls of each contender."""
    torch: bool = True
    """Measures PyTorch too, if it is installed."""
    torch_compile: bool = True
    """Measures torch.compile too; each network takes some seconds to compile."""
    onnx: bool = True
    """Measures ONNX Runtime too, if it is installed."""
    json: Path | None = None
    """File for all results and the environment."""

    def __post_init__(self):
        if self.rounds < 1:
            raise InputError(f"rounds must be at least 1; got {self.rounds}")
        if min(self.height, self.width) < 1:
            raise InputError(
                f"height and width must be at least 1; got {self.height} and {self.width}"
            )
        if not self.networks or not self.upsamplers:
            raise InputError("networks and upsamplers must each name at least one")


def run(options: Options) -> int:
    """Measures, prints the table and writes the file that is asked for."""
    check_outputs(options.json)
    console = make_console()
    results = measure(options, lambda name: console.print(f"measuring {name}", style="dim"))
    report.show_inference(results, console)
    if options.json is not None:
        write_json(options.json, results)
    return 0


@dataclass
class Contenders:
    """Programs that compute one network with one upsampler on one image.

    Attributes:
      programs: programs of this process, by name.
      outputs: output of each contender, float32 (r*h, r*w).
      torch: times the programs of PyTorch's process and returns milliseconds by name.
      skipped: reason why a contender is missing, by name.
    """

    programs: dict[str, Program] = field(default_factory=dict)
    outputs: dict[str, Float32[np.ndarray, "hr_h hr_w"]] = field(default_factory=dict)
    torch: Callable[[], dict[str, float]] | None = None
    skipped: dict[str, str] = field(default_factory=dict)


def measure(
    options: Options,
    progress: Callable[[str], None] = lambda _: None,
    configs: Mapping[NetworkName, Callable[..., ModelConfig]] = CONFIGS,
) -> dict[str, Any]:
    """Compares the outputs of all contenders on one luma image, then times them, interleaved.

    Args:
      options: what to measure.
      progress: receives the name of each network and upsampler before their measurement.
      configs: makes the config of each network from its scale.

    Returns:
      ``{"environment": ..., "scale": ..., "height": ..., "width": ..., "rounds": ..., "networks":
      {network: {upsampler: {"contenders": {name: ...}, "max_difference": {name: ...}, "skipped":
      {name: reason}}}}}``. A contender has the values of `race`, "megapixels_per_second" of its
      output and "frames_per_second". The differences are those from "subpixel, whole".

    Raises:
      RuntimeError: if two contenders differ by more than rounding.
    """
    # Other programs ran if the load is above 1, and the times are longer than on a quiet machine.
    facts = {**environment(), "threads": processors(), "load_average": os.getloadavg()[0]}
    results: dict[str, Any] = {}
    image = np.random.default_rng(0).random((options.height, options.width, 1), np.float32)
    with torch_process(options.torch) as ask, tempfile.TemporaryDirectory() as folder:
        for name in options.networks:
            config = configs[name](scale=options.scale)
            results[name] = {}
            for upsampler in options.upsamplers:
                progress(f"{name}, {upsampler}")
                contenders = Contenders()
                graph, state = nnx.split(config.build(upsampler, seed=0))
                params = nnx.to_pure_dict(state)
                provenance = Provenance(name=f"bench {name}")
                source = TrainedNetwork(name, provenance, config, upsampler, params)
                _add_ours(contenders, graph, source, image)
                if options.onnx:
                    facts |= _add_onnx(contenders, source, image)
                if ask is not None:
                    facts |= _add_torch(
                        contenders, source, image, ask, options.torch_compile, folder
                    )
                elif options.torch:
                    contenders.skipped["torch"] = "PyTorch is not installed"
                results[name][upsampler] = _race(contenders, options.rounds)
    sizes = {key: getattr(options, key) for key in ("scale", "height", "width", "rounds")}
    return {"environment": facts, **sizes, "networks": results}


def _add_ours(
    contenders: Contenders, graph: nnx.GraphDef[Any], source: TrainedNetwork, image: np.ndarray
) -> None:
    """Adds our network on the whole image, with each convolution library of XLA, and in tiles."""
    eigen = compiler_options(OptimizerConfig(cpu_convolutions="eigen"), run_platform())
    if not eigen:
        contenders.skipped[EIGEN] = "this version of XLA has one kind of convolution"
    for name, options in {WHOLE: {}, **({EIGEN: eigen} if eigen else {})}.items():

        def apply(params: Any, x: jax.Array) -> jax.Array:
            return nnx.merge(graph, params)(x)

        compiled, seconds = compile_anew(
            functools.partial(jax.jit(apply).lower, source.params, image[None]), options
        )

        def run(compiled: jax.stages.Compiled = compiled) -> np.ndarray:
            return np.asarray(compiled(source.params, image[None]))[0]

        contenders.programs[name] = Program(run, seconds, temporary_mib(compiled))
        contenders.outputs[name] = run()[..., 0]
    upscaler = NetworkUpscaler(graph, source.params)
    pixels = image * np.float32(255)

    def tiled() -> np.ndarray:
        return upscaler.luma_unrounded(pixels)

    contenders.programs[TILES] = Program(tiled, None, None)
    contenders.outputs[TILES] = tiled()[..., 0] / np.float32(255)


def _add_onnx(contenders: Contenders, source: TrainedNetwork, image: np.ndarray) -> dict[str, Any]:
    """Adds ONNX Runtime, if it is installed; returns its version."""
    try:
        content, _ = onnx_bytes(source, Choices(layout=source.upsampler))
        network = OnnxNetwork(content, processors())
    except InputError as error:
        contenders.skipped[ONNX] = str(error)
        return {}

    def run() -> np.ndarray:
        return network(image[None])[0]

    contenders.programs[ONNX] = Program(run, None, None)
    contenders.outputs[ONNX] = run()[..., 0]
    return {"onnxruntime": version("onnxruntime")}


def _add_torch(
    contenders: Contenders,
    source: TrainedNetwork,
    image: np.ndarray,
    ask: Callable[[dict[str, Any]], dict[str, Any]],
    compiled: bool,
    folder: str,
) -> dict[str, Any]:
    """Adds PyTorch's module of the network; returns the version and threads of its process."""
    try:
        operations = source.in_float32(source.upsampler).operations()
        weights, code = torch_module(operations, source.upsampler)
    except InputError as error:
        contenders.skipped["torch"] = str(error)
        return {}
    path = Path(folder)
    arrays: dict[str, Any] = dict(weights)
    np.savez(path / "weights.npz", **arrays)
    np.save(path / "image.npy", image)
    request = {"code": code, "folder": folder, "threads": processors(), "compiled": compiled}
    facts = ask({"prepare": "inference", **request})
    for name in ("channels last", "compiled"):
        output, reason = path / f"{name}.npy", path / f"{name}.txt"
        if reason.exists():
            contenders.skipped[f"torch, {name}"] = reason.read_text()
            reason.unlink()
        if output.exists():
            contenders.outputs[f"torch, {name}"] = np.load(output)
            output.unlink()
    contenders.torch = functools.partial(ask, {"run": "forward", "repeat": 1})
    return facts


def _race(contenders: Contenders, rounds: int) -> dict[str, Any]:
    """Compares the contenders' outputs, times them, and returns one upsampler's entry."""
    reference = contenders.outputs[WHOLE]
    differences = {
        name: float(np.abs(output - reference).max()) for name, output in contenders.outputs.items()
    }
    wrong = {name: value for name, value in differences.items() if not value <= TOLERANCE}
    if wrong:
        raise RuntimeError(
            f"contenders compute different functions: {wrong}, the largest difference from "
            f"{WHOLE!r}; at most {TOLERANCE} is rounding"
        )
    times = race(contenders.programs, contenders.torch, rounds, pause_s=PAUSE_S)
    for entry in times.values():
        seconds = entry["median_ms"] / 1e3
        entry["megapixels_per_second"] = reference.size / 1e6 / seconds
        entry["frames_per_second"] = 1 / seconds
    return {"contenders": times, "max_difference": differences, "skipped": contenders.skipped}


def main() -> int:
    return run(parse_options(Options, sys.argv[1:]))


if __name__ == "__main__":
    run_command(main)
