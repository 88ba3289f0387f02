"""The state of a training, from its first step: parameters new or from a trained network."""

from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from subpixel.kernels import Layout
from subpixel.sr._support.errors import InputError
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.base import Params
from subpixel.sr.models.find import find_model
from subpixel.sr.serialization import differences
from subpixel.sr.training.config import OptimizerConfig
from subpixel.sr.training.optimizers import make_optimizer


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["step", "params", "ema", "opt_state"],
    meta_fields=[],
)
@dataclass(frozen=True)
class TrainState:
    """The part of a training that a step changes.

    Attributes:
      step: number of steps done, int32.
      params: parameters, a nested dict of arrays.
      ema: exponential moving average of the parameters, of the same structure.
      opt_state: state of the optimiser.
    """

    step: jax.Array
    params: Params
    ema: Params
    opt_state: optax.OptState


@dataclass(frozen=True)
class RunState:
    """State of a run after some step; every dict has the upsampler's name as its key.

    Attributes:
      step: number of steps done.
      states: training state.
      iterator: state of the data iterator, JSON.
      seconds: training time.
      losses: losses of the steps since the last record.
      skipped: number of steps skipped because they were not finite.
      skipped_last: number of skipped steps since the last step that was not skipped.
      norms: largest gradient norm since the last record.
      validation: PSNR in dB on the held-out images; empty if not measured at this step.
    """

    step: int
    states: dict[str, TrainState]
    iterator: dict[str, Any]
    seconds: dict[str, float]
    losses: dict[str, list[float]]
    skipped: dict[str, int]
    skipped_last: dict[str, int]
    norms: dict[str, float] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)


def initial_run(states: dict[str, TrainState], iterator: dict[str, Any]) -> RunState:
    """Returns the run state before the first step, from its training states and data iterator."""
    return RunState(
        step=0,
        states=states,
        iterator=iterator,
        seconds=dict.fromkeys(states, 0.0),
        losses={name: [] for name in states},
        skipped=dict.fromkeys(states, 0),
        skipped_last=dict.fromkeys(states, 0),
    )


@dataclass(frozen=True)
class Start:
    """What the training of one upsampler begins with.

    Attributes:
      config: of the optimiser.
      optimizer: as from `make_optimizer`.
      graph: the network's definition.
      state: before the first step.
    """

    config: OptimizerConfig
    optimizer: optax.GradientTransformationExtraArgs
    graph: nnx.GraphDef[Any]
    state: TrainState


def start_training(
    model: ModelConfig,
    config: OptimizerConfig,
    steps: int,
    upsampler: Layout,
    seed: int,
    start_from: str | None = None,
) -> Start:
    """Returns the optimiser of a config, the network's definition and the first state.

    Args:
      model: the network's config.
      config: the optimiser's config.
      steps: number of steps of the run, as in `make_optimizer`.
      upsampler: of the network.
      seed: of the initial parameters.
      start_from: trained network whose parameters replace them; see `TrainingConfig`.

    Raises:
      InputError: if the trained network cannot be read, or its parameters do not fit.
    """
    optimizer = make_optimizer(config, steps, upsampler, model.scale)
    network = model.build(upsampler, seed)
    if start_from is not None:
        network = network.with_upsampler("subpixel")
        params = nnx.to_pure_dict(nnx.state(network))
        nnx.update(network, warm_start(params, model, start_from))
        network = network.with_upsampler(upsampler)
    graph, state = nnx.split(network)
    params = nnx.to_pure_dict(state)
    # The average is a copy: a donated state must not hold one buffer twice.
    ema = jax.tree.map(jnp.copy, params)
    first = TrainState(jnp.zeros((), jnp.int32), params, ema, optimizer.init(params))
    return Start(config, optimizer, graph, first)


def check_warm_start(model: ModelConfig, start_from: str) -> None:
    """Checks that a network can start from a trained one; nothing is computed.

    Raises:
      InputError: as `warm_start` does.
    """
    shapes = nnx.to_pure_dict(nnx.state(model.build_abstract("subpixel")))
    warm_start(shapes, model, start_from)


def warm_start(params: Params, model: ModelConfig, start_from: str) -> Params:
    """Returns initial parameters from a trained network.

    Args:
      params: the parameters of the new network in the layout "subpixel". A trained network of
        another scale leaves those of the upsampler and its bias as they are.
      model: the config of the new network.
      start_from: the name of a trained network, as in `find_model`.

    Returns:
      Parameters in the layout "subpixel".

    Raises:
      InputError: if the trained network cannot be read, its layers have other shapes, or the two
        configs differ in what the parameters mean, such as the scale of the input.
    """
    trained = find_model(start_from)
    found = nnx.to_pure_dict(nnx.state(trained.build().with_upsampler("subpixel")))
    head = () if trained.config.scale == model.scale else ("upsampler", "bias")
    result = {**found, **{key: params[key] for key in head if key in params}}
    shape = attrgetter("shape")
    if jax.tree.map(shape, result) != jax.tree.map(shape, params):
        raise InputError(
            f"start_from: the layers of {start_from} have other shapes than the network's: give "
            "the weights of a network with the same layers"
        )
    # Scale, dtype and initial values change no parameter's meaning.
    alike = replace(
        trained.config,
        scale=model.scale,
        dtype=model.dtype,
        upsampler_init=model.upsampler_init,
    )
    changed = differences(alike, model)
    if changed:
        raise InputError(
            f"start_from: {start_from} computes another function than the network from the same "
            f"parameters (model.{'; model.'.join(changed)}): give these fields its values"
        )
    return result
