"""Compares upsamplers that compute the same function: scores, speed, work and memory."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from subpixel.kernels import Layout
from subpixel.sr.comparison.measure import compile_anew, time_in_turn
from subpixel.sr.evaluation import Scores
from subpixel.sr.models.layers import gflop
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.state import compiler_options, init_state, lower_step, pixel_loss

ROUNDS = 20
COMPILATIONS = 3


def measure_speed(experiment: TrainingConfig) -> dict[str, dict[str, Any]]:
    """Measures the upsamplers of an experiment in turn, on a training batch of noise.

    Returns:
      For each upsampler the medians "forward_ms", "gradient_ms" (forward, and the gradients of the
      input and of the parameters), "train_step_ms" and "compile_s" (of the training step), their
      "quartiles", "temp_mib" (the training step's temporary memory), "gflop_useful",
      "gflop_executed" and "parameters".
    """
    config, data = experiment.model, experiment.data
    shape = (data.batch_size, data.patch_size, data.patch_size, config.channels)
    batch = noise_batch(experiment)
    optimizer = make_optimizer(experiment.optimizer, experiment.steps)
    starts: dict[Layout, Any] = {
        name: init_state(config, name, optimizer, experiment.seed) for name in experiment.upsamplers
    }
    steps, seconds = _compile_in_turn(experiment, starts, batch, optimizer)
    x, target = (jnp.float32(batch[key]) / 255 for key in ("lr", "hr"))
    functions: dict[str, dict[str, Any]] = {
        "forward_ms": {},
        "gradient_ms": {},
        "train_step_ms": {},
    }
    results: dict[str, dict[str, Any]] = {}
    for name, (graph, state) in starts.items():
        apply, gradient = _passes(graph, target)
        params = jax.tree.map(jnp.copy, state.params)
        functions["forward_ms"][name] = partial(apply, params, x)
        functions["gradient_ms"][name] = partial(gradient, params, x)
        functions["train_step_ms"][name] = Stepper(steps[name], state, batch)
        useful, executed = gflop(config.layers(name), math.prod(shape[:-1]))
        memory = steps[name].memory_analysis()
        results[name] = {
            "compile_s": float(np.median(seconds[name])),
            "gflop_useful": useful,
            "gflop_executed": executed,
            "temp_mib": None if memory is None else memory.temp_size_in_bytes / 2**20,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
            "quartiles": {"compile_s": _quartiles(seconds[name])},
        }
    for figure, by_name in functions.items():
        for name, times in time_in_turn(by_name, ROUNDS).items():
            results[name][figure] = float(np.median(times))
            results[name]["quartiles"][figure] = _quartiles(times)
    return results


def noise_batch(experiment: TrainingConfig) -> dict[str, np.ndarray]:
    """Returns a training batch of random pixels: {"lr": uint8 (n, p, p, c), "hr": ...}."""
    data, channels = experiment.data, experiment.model.channels
    rng = np.random.default_rng(experiment.seed)
    return {
        key: rng.integers(0, 256, (data.batch_size, size, size, channels), dtype=np.uint8)
        for key, size in (
            ("lr", data.patch_size),
            ("hr", data.patch_size * experiment.model.scale),
        )
    }


def _passes(graph: nnx.GraphDef[Any], target: jax.Array):
    """Returns the jitted forward pass, and forward with the gradients of parameters and input."""

    def apply(params, x):
        return nnx.merge(graph, params)(x)

    def loss(params, x):
        return pixel_loss("mse", apply(params, x), target)

    return jax.jit(apply), jax.jit(jax.value_and_grad(loss, (0, 1)))


class Stepper:
    """Calls a training step again and again, giving it the state that it returned."""

    def __init__(self, step, state, batch):
        self.step, self.state, self.batch = step, state, batch

    def __call__(self):
        self.state, metrics = self.step(self.state, self.batch)
        return metrics


def _compile_in_turn(experiment: TrainingConfig, starts, batch, optimizer):
    """Compiles the training steps in turn, several times; returns the last, and all seconds."""
    steps, seconds = {}, {name: [] for name in starts}
    for _ in range(COMPILATIONS):
        jax.clear_caches()
        for name, (graph, state) in starts.items():
            steps[name], took = compile_anew(
                partial(lower_step, experiment.optimizer, graph, state, optimizer, batch),
                compiler_options(experiment.optimizer),
            )
            seconds[name].append(took)
    return steps, seconds


def _quartiles(values) -> list[float]:
    return [float(q) for q in np.percentile(values, (25, 75))]


def summarise(
    name: str,
    scale: int,
    scores: Mapping[str, Mapping[str, Scores]],
    speed: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Joins scores and speed into the first keys of comparison.json.

    Args:
      name: of the experiment.
      scale: r.
      scores: by benchmark, then by "bicubic" or upsampler.
      speed: of each upsampler, from `measure_speed`.
    """

    def of(model: str) -> dict[str, Any]:
        return {
            "psnr": {benchmark: by[model].mean_psnr for benchmark, by in scores.items()},
            "ssim": {benchmark: by[model].mean_ssim for benchmark, by in scores.items()},
            "images": {
                benchmark: by[model].to_json()["images"] for benchmark, by in scores.items()
            },
        }

    upsamplers = {name: {**of(name), **measured} for name, measured in speed.items()}
    return {
        "name": name,
        "scale": scale,
        "upsamplers": upsamplers,
        "bicubic": of("bicubic"),
        "psnr_spread_db": {
            benchmark: max(values) - min(values)
            for benchmark in scores
            if (values := [entry["psnr"][benchmark] for entry in upsamplers.values()])
        },
    }
