"""The training step and the forward pass of a network, compiled for a target."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from subpixel.kernels import Layout
from subpixel.nnx import ConvTranspose
from subpixel.sr.compile.facts import Facts, collect
from subpixel.sr.compile.program import Program, compile_lowered, placed, target_mesh
from subpixel.sr.compile.targets import Target
from subpixel.sr.config import Experiment
from subpixel.sr.training.parallel import check_division
from subpixel.sr.training.state import start_training
from subpixel.sr.training.step import choose_accumulation, compiler_options, lower_step

# The network's upsampler is JAX's own transposed convolution, so that a comparison shows what it
# costs. The row of this name has the same kernel and the method that the library chooses.
AUTO = "conv_transpose, auto"


def rows(experiment: Experiment) -> list[str]:
    """Returns the names of the upsamplers to compile: those of the config, and `AUTO`."""
    names: list[str] = []
    for name in experiment.upsamplers:
        names += [name, AUTO] if name == "conv_transpose" else [name]
    return names


def check_batch(experiment: Experiment, target: Target) -> None:
    """Checks that a config's batch can be divided over a target's devices, and into its parts.

    Raises:
      InputError: if it cannot; the message names the rule and a batch that can.
    """
    data, wanted = experiment.data, experiment.optimizer.accumulation
    check_division(data.batch_size, target.size)
    patches = data.batch_size // target.size
    choose_accumulation(wanted, patches, data.patch_size**2, platform=target.platform)


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
    return "conv_transpose" if name == AUTO else name  # pyright: ignore[reportReturnType]


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

    Args:
      experiment: the config.
      name: an upsampler, or `AUTO`.
      target: what to compile for.
    """
    optimizer, graph, state = _start(experiment, name)
    mesh = target_mesh(target)
    state = placed(state, target, mesh)
    batch = placed(_batch(experiment), target, mesh, divided=True)
    config = experiment.optimizer

    def lower() -> jax.stages.Lowered:
        return lower_step(config, graph, state, optimizer, batch, mesh, platform=target.platform)

    return compile_lowered(target, lower, compiler_options(config, target.platform))


def compile_forward(experiment: Experiment, name: str, target: Target) -> Program:
    """Compiles the forward pass of a training batch; arguments: `compile_step`."""
    _, graph, state = _start(experiment, name)
    mesh = target_mesh(target)
    lr = _batch(experiment)["lr"]
    x = placed(jax.ShapeDtypeStruct(lr.shape, jnp.float32), target, mesh, divided=True)
    shapes = placed(state.params, target, mesh)

    def apply(params: Any, x: jax.Array) -> jax.Array:
        return nnx.merge(graph, params)(x)

    return compile_lowered(target, lambda: jax.jit(apply).lower(shapes, x))


def _start(experiment: Experiment, name: str) -> tuple[Any, nnx.GraphDef[Any], Any]:
    """Returns optimiser, graph and state before the first step; no trained network is read."""
    optimizer, graph, state = start_training(
        experiment.model, experiment.optimizer, experiment.steps, _layout(name), experiment.seed
    )
    if name == AUTO:
        network = nnx.merge(graph, state.params)
        if not isinstance(network.upsampler, ConvTranspose):
            raise TypeError(f"the upsampler of {type(network).__name__} is no ConvTranspose")
        network.upsampler.method = "auto"
        graph = nnx.split(network)[0]
    return optimizer, graph, state


def _batch(experiment: Experiment) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes of a training batch over all devices."""
    data, model = experiment.data, experiment.model
    return {
        key: jax.ShapeDtypeStruct((data.batch_size, size, size, model.channels), np.uint8)
        for key, size in (("lr", data.patch_size), ("hr", data.patch_size * model.scale))
    }
