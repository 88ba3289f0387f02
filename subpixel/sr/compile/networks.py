"""The training step and the forward pass of a network, compiled for a target."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from subpixel.kernels import Layout
from subpixel.sr.comparison.speed import FAST, NATIVE, batch_shapes, with_fast_upsampler
from subpixel.sr.compile.facts import Facts, collect
from subpixel.sr.compile.program import Program, compile_lowered, placed, target_mesh
from subpixel.sr.compile.targets import Target
from subpixel.sr.config import Experiment
from subpixel.sr.training.state import Start, start_training
from subpixel.sr.training.step import compiler_options, lower_step


def rows(experiment: Experiment) -> list[str]:
    """Returns the names of the upsamplers to compile: those of the config, and `FAST`."""
    names: list[str] = []
    for name in experiment.upsamplers:
        names += [name, FAST] if name == NATIVE else [name]
    return names


def compile_networks(experiment: Experiment, target: Target) -> Iterator[Facts]:
    """Compiles the step and the forward pass of every upsampler for a target, one by one."""
    for name in rows(experiment):
        forward, step = useful_work(experiment, _layout(name), target)
        for program, useful, make in (
            ("step", step, compile_step),
            ("forward", forward, compile_forward),
        ):
            subject = {"upsampler": name}
            yield collect(target, subject, program, useful, partial(make, experiment, name, target))


def _layout(name: str) -> Layout:
    return NATIVE if name == FAST else name  # pyright: ignore[reportReturnType]


def useful_work(experiment: Experiment, upsampler: Layout, target: Target) -> tuple[int, int]:
    """Returns the useful multiply-adds of forward pass and step, on one device of the target.

    The gradient of a layer's kernel takes as many as the layer, and so does that of its input,
    which the first layer's does not need.
    """
    data = experiment.data
    pixels = data.batch_size // target.size * data.patch_size**2
    layers = [layer.useful for layer in experiment.model.layers(upsampler) if layer.useful]
    forward = pixels * sum(layers)
    return forward, 3 * forward - pixels * layers[0]


def compile_step(experiment: Experiment, name: str, target: Target) -> Program:
    """Compiles a training step as `train.py` runs it: the batch is divided over all devices.

    The name is that of an upsampler, or `FAST`.
    """
    start, mesh = _start(experiment, name), target_mesh(target)
    start = replace(start, state=placed(start.state, target, mesh))
    batch = placed(batch_shapes(experiment.model, experiment.data), target, mesh, divided=True)
    options = compiler_options(experiment.optimizer, target.platform)
    lower = partial(lower_step, start, batch, mesh, platform=target.platform)
    return compile_lowered(target, lower, options)


def compile_forward(experiment: Experiment, name: str, target: Target) -> Program:
    """Compiles the forward pass of a training batch, as `compile_step`."""
    start, mesh = _start(experiment, name), target_mesh(target)
    lr = batch_shapes(experiment.model, experiment.data)["lr"]
    x = placed(jax.ShapeDtypeStruct(lr.shape, jnp.float32), target, mesh, divided=True)
    shapes = placed(start.state.params, target, mesh)

    def apply(params: Any, x: jax.Array) -> jax.Array:
        return nnx.merge(start.graph, params)(x)

    return compile_lowered(target, lambda: jax.jit(apply).lower(shapes, x))


def _start(experiment: Experiment, name: str) -> Start:
    """Returns what a training begins with; no trained network is read."""
    start = start_training(experiment, _layout(name))
    if name != FAST:
        return start
    return replace(start, graph=with_fast_upsampler(start.graph, start.state.params))
