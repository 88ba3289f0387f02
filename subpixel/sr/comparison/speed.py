"""Compares upsamplers that compute the same function: scores, speed, work and memory."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from subpixel.kernels import Layout
from subpixel.sr.comparison.measure import (
    compile_anew,
    quartiles,
    temporary_mib,
    time_interleaved,
)
from subpixel.sr.data.config import DataConfig
from subpixel.sr.evaluation import Scores
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.layers import gflop
from subpixel.sr.training.config import OptimizerConfig
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.state import compiler_options, init_state, lower_step, pixel_loss

ROUNDS = 20
COMPILATIONS = 3


def measure_speed(
    upsamplers: Sequence[Layout],
    model: ModelConfig,
    optimizer: OptimizerConfig,
    data: DataConfig,
    steps: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Measures networks that differ in their upsampler, interleaved, on a batch of random pixels.

    Args:
      upsamplers: of the networks.
      model: config of the network.
      optimizer: config of the training step; the gradient is that of its loss.
      data: size of a training batch.
      steps: number of steps of the training, for the learning rate's schedule.
      seed: of the parameters and of the batch.

    Returns:
      For each upsampler the medians "forward_ms", "gradient_ms" (forward, and the gradients of the
      input and of the parameters), "train_step_ms" and "compile_s" (of the training step), their
      "quartiles", "temp_mib" (the training step's temporary memory), "gflop_useful",
      "gflop_executed" and "parameters".
    """
    batch = noise_batch(model, data, seed)
    transform = make_optimizer(optimizer, steps)
    starts: dict[Layout, Any] = {
        name: init_state(model, name, transform, seed) for name in upsamplers
    }
    lower: dict[Layout, Callable[[], jax.stages.Lowered]] = {
        name: partial(lower_step, optimizer, graph, state, transform, batch)
        for name, (graph, state) in starts.items()
    }
    compiled, seconds = _compile_interleaved(lower, compiler_options(optimizer))
    x, target = (jnp.float32(batch[key]) / 255 for key in ("lr", "hr"))
    functions: dict[str, dict[str, Any]] = {
        "forward_ms": {},
        "gradient_ms": {},
        "train_step_ms": {},
    }
    results: dict[str, dict[str, Any]] = {}
    for name, (graph, state) in starts.items():
        apply, gradient = _passes(graph, optimizer.loss, target)
        params = jax.tree.map(jnp.copy, state.params)
        functions["forward_ms"][name] = partial(apply, params, x)
        functions["gradient_ms"][name] = partial(gradient, params, x)
        functions["train_step_ms"][name] = RepeatedStep(compiled[name], state, batch)
        useful, executed = gflop(model.layers(name), math.prod(x.shape[:-1]))
        results[name] = {
            "compile_s": float(np.median(seconds[name])),
            "gflop_useful": useful,
            "gflop_executed": executed,
            "temp_mib": temporary_mib(compiled[name]),
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
            "quartiles": {"compile_s": list(quartiles(seconds[name]))},
        }
    for key, by_name in functions.items():
        for name, times in time_interleaved(by_name, ROUNDS).items():
            results[name][key] = times.median
            results[name]["quartiles"][key] = list(times.quartiles)
    return results


def noise_batch(model: ModelConfig, data: DataConfig, seed: int) -> dict[str, np.ndarray]:
    """Returns a training batch of random pixels.

    Args:
      model: config of the network, for its scale and channels.
      data: number and size of the patches.
      seed: of the pixels.

    Returns:
      {"lr": uint8 (n, p, p, c), "hr": uint8 (n, r*p, r*p, c)}.
    """
    rng = np.random.default_rng(seed)
    return {
        key: rng.integers(0, 256, (data.batch_size, size, size, model.channels), dtype=np.uint8)
        for key, size in (("lr", data.patch_size), ("hr", data.patch_size * model.scale))
    }


def _passes(graph: nnx.GraphDef[Any], loss: str, target: jax.Array):
    """Returns the jitted forward pass, and forward with the gradients of parameters and input."""

    def apply(params, x):
        return nnx.merge(graph, params)(x)

    def loss_of(params, x):
        return pixel_loss(loss, apply(params, x), target)

    return jax.jit(apply), jax.jit(jax.value_and_grad(loss_of, (0, 1)))


class RepeatedStep:
    """A compiled training step on one batch; each call continues from the state of the last."""

    def __init__(self, step, state, batch):
        self.step, self.state, self.batch = step, state, batch

    def __call__(self):
        self.state, metrics = self.step(self.state, self.batch)
        return metrics


def _compile_interleaved(
    lower: Mapping[Layout, Callable[[], jax.stages.Lowered]], options: Mapping[str, str | bool]
) -> tuple[dict[Layout, jax.stages.Compiled], dict[Layout, list[float]]]:
    """Compiles each training step several times; returns the last programs, and all seconds."""
    compiled: dict[Layout, jax.stages.Compiled] = {}
    seconds: dict[Layout, list[float]] = {name: [] for name in lower}
    for _ in range(COMPILATIONS):
        for name, lower_one in lower.items():
            compiled[name], took = compile_anew(lower_one, options)
            seconds[name].append(took)
    return compiled, seconds


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
