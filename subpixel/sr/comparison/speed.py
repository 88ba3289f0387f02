"""Measures times, work and memory of networks that differ in their upsampler."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import UInt8
from threadpoolctl import threadpool_limits

from subpixel.kernels import Layout
from subpixel.sr.comparison.measure import (
    compile_anew,
    quartiles,
    temporary_mib,
    time_interleaved,
)
from subpixel.sr.comparison.result import Cost
from subpixel.sr.data.config import DataConfig
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.layers import gflop
from subpixel.sr.training.config import OptimizerConfig
from subpixel.sr.training.parallel import run_platform
from subpixel.sr.training.state import compiler_options, lower_step, pixel_loss, start_training

ROUNDS = 20
COMPILATIONS = 3


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in a training
def measure_speed(
    upsamplers: Sequence[Layout],
    model: ModelConfig,
    optimizer: OptimizerConfig,
    data: DataConfig,
    steps: int,
    seed: int,
) -> dict[Layout, Cost]:
    """Measures networks that differ in their upsampler, interleaved, on a batch of random pixels.

    Args:
      upsamplers: of the networks.
      model: config of the network.
      optimizer: config of the training step; the gradient is that of its loss.
      data: size of a training batch.
      steps: number of steps of the training, for the learning rate's schedule.
      seed: of the parameters and of the batch.

    Returns:
      The cost of each upsampler. The compile time and the temporary memory are those of the
      training step.
    """
    batch = noise_batch(model, data, seed)
    platform = run_platform()
    starts: dict[Layout, Any] = {
        name: start_training(model, optimizer, steps, name, seed) for name in upsamplers
    }
    lower: dict[Layout, Callable[[], jax.stages.Lowered]] = {
        name: partial(lower_step, optimizer, graph, state, transform, batch, platform=platform)
        for name, (transform, graph, state) in starts.items()
    }
    compiled, seconds = _compile_interleaved(lower, compiler_options(optimizer, platform))
    x, target = (jnp.float32(batch[key]) / 255 for key in ("lr", "hr"))
    passes: dict[str, dict[str, Callable[[], Any]]] = {
        "forward_ms": {},
        "gradient_ms": {},
        "train_step_ms": {},
    }
    for name, (_, graph, state) in starts.items():
        # The step donates its state, so the passes have parameters of their own.
        params = jax.tree.map(jnp.copy, state.params)
        apply, gradient = _passes(graph, optimizer.loss, target)
        passes["forward_ms"][name] = partial(apply, params, x)
        passes["gradient_ms"][name] = partial(gradient, params, x)
        passes["train_step_ms"][name] = RepeatedStep(compiled[name], state, batch)
    times = {key: time_interleaved(by_name, ROUNDS) for key, by_name in passes.items()}
    costs = {}
    for name in starts:
        layers = model.layers(name)
        useful, executed = gflop(layers, math.prod(x.shape[:-1]))
        costs[name] = Cost(
            compile_s=float(np.median(seconds[name])),
            gflop_useful=useful,
            gflop_executed=executed,
            temp_mib=temporary_mib(compiled[name]),
            parameters=sum(layer.parameters for layer in layers),
            quartiles={
                "compile_s": quartiles(seconds[name]),
                **{key: of[name].quartiles for key, of in times.items()},
            },
            **{key: of[name].median for key, of in times.items()},
        )
    return costs


def noise_batch(
    model: ModelConfig, data: DataConfig, seed: int
) -> dict[str, UInt8[np.ndarray, "n _ _ c"]]:
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
