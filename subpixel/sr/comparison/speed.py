"""Measures times, work and memory of networks that differ in their upsampler."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import UInt8
from threadpoolctl import threadpool_limits

from subpixel.kernels import Layout
from subpixel.sr.comparison.measure import compile_anew, temporary_mib, time_interleaved
from subpixel.sr.comparison.result import Cost
from subpixel.sr.data.config import DataConfig
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.base import Params
from subpixel.sr.models.layers import Layer, gflop
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.parallel import run_platform
from subpixel.sr.training.state import Start, start_training
from subpixel.sr.training.step import CompiledStep, compiler_options, lower_step, pixel_loss

ROUNDS = 20
# JAX's own transposed convolution is measured, and this package's, which has the same kernel.
NATIVE: Layout = "conv_transpose"
FAST = "conv_transpose, auto"


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in a training
def measure_speed(config: TrainingConfig, compiled: Mapping[str, CompiledStep]) -> dict[str, Cost]:
    """Measures networks that differ in their upsampler, interleaved, on a batch of random pixels.

    Args:
      config: of the training. For "conv_transpose" the network of `with_fast_upsampler` is measured
        too, under the name `FAST`.
      compiled: the training steps that are compiled already, and are not compiled again.

    Returns:
      The cost of each network. The gradient is that of the loss of the training; the compile time
      and the temporary memory are those of the training step.
    """
    batch = noise_batch(config.model, config.data, config.seed)
    starts: dict[str, Start] = {}
    layers: dict[str, list[Layer]] = {}
    for upsampler in config.upsamplers:
        start = start_training(config, upsampler)
        starts[upsampler], layers[upsampler] = start, config.model.layers(upsampler)
        if upsampler == NATIVE:
            fast = with_fast_upsampler(start.graph, start.state.params)
            # The step donates its state, so each has its own.
            copied = jax.tree.map(jnp.copy, start.state)
            starts[FAST] = replace(start, graph=fast, state=copied)
            layers[FAST] = layers[upsampler]
    programs = {name: _compiled(start, batch, compiled.get(name)) for name, start in starts.items()}
    x, target = (jnp.float32(batch[key]) / 255 for key in ("lr", "hr"))
    passes: dict[str, dict[str, Callable[[], Any]]] = {
        "forward_ms": {},
        "gradient_ms": {},
        "train_step_ms": {},
    }
    for name, start in starts.items():
        params = jax.tree.map(jnp.copy, start.state.params)
        apply, gradient = _passes(start.graph, config.optimizer.loss, target)
        passes["forward_ms"][name] = partial(apply, params, x)
        passes["gradient_ms"][name] = partial(gradient, params, x)
        passes["train_step_ms"][name] = RepeatedStep(programs[name], start.state, batch)
    times = {key: time_interleaved(by_name, ROUNDS) for key, by_name in passes.items()}
    costs = {}
    for name, program in programs.items():
        useful, executed = gflop(layers[name], math.prod(x.shape[:-1]))
        costs[name] = Cost(
            compile_s=program.compile_s,
            gflop_useful=useful,
            gflop_executed=executed,
            temp_mib=temporary_mib(program.program),
            parameters=sum(layer.parameters for layer in layers[name]),
            quartiles={key: by_name[name].quartiles for key, by_name in times.items()},
            **{key: by_name[name].median for key, by_name in times.items()},
        )
    return costs


def with_fast_upsampler(graph: nnx.GraphDef[Any], params: Params) -> nnx.GraphDef[Any]:
    """Returns a network with "conv_transpose" computed by `subpixel.conv_transpose`'s "auto".

    The upsampler "conv_transpose" is JAX's own, which shows what JAX gives. The parameters and the
    function stay.
    """
    network = nnx.merge(graph, params)
    network.upsampler.method = "auto"
    return nnx.split(network)[0]


def _compiled(start: Start, batch: Any, given: CompiledStep | None) -> CompiledStep:
    """Returns the given step; compiled again if there is none, or if its time is not known."""
    if given is not None and given.compile_s is not None:
        return given
    platform = run_platform()
    lower = partial(lower_step, start, batch, platform=platform)
    return CompiledStep(*compile_anew(lower, compiler_options(start.config, platform)))


def noise_batch(
    model: ModelConfig, data: DataConfig, seed: int
) -> dict[str, UInt8[np.ndarray, "n _ _ c"]]:
    """Returns a training batch of random pixels.

    Returns:
      {"lr": uint8 (n, p, p, c), "hr": uint8 (n, r*p, r*p, c)}.
    """
    rng = np.random.default_rng(seed)
    return {
        key: rng.integers(0, 256, of.shape, dtype=np.uint8)
        for key, of in batch_shapes(model, data).items()
    }


def batch_shapes(model: ModelConfig, data: DataConfig) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes of a training batch: "lr" (n, p, p, c) and "hr" (n, r*p, r*p, c)."""
    return {
        key: jax.ShapeDtypeStruct((data.batch_size, size, size, model.channels), np.uint8)
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
