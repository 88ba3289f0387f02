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
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.serialization import differences
from subpixel.sr.training.config import OptimizerConfig, TrainingConfig
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
    config: TrainingConfig, upsampler: Layout, trained: TrainedNetwork | None = None
) -> Start:
    """Returns the optimiser of a config, the network's definition and the first state.

    Args:
      config: of the training.
      upsampler: of the network.
      trained: the network that `config.start_from` names, whose parameters replace the initial
        ones.

    Raises:
      InputError: if the parameters of the trained network do not fit.
    """
    model = config.model
    network = model.build(upsampler, config.seed)
    if trained is not None:
        network = network.with_upsampler("subpixel")
        params = nnx.to_pure_dict(nnx.state(network))
        nnx.update(network, warm_start(params, model, trained))
        network = network.with_upsampler(upsampler)
    graph, state = nnx.split(network)
    params = nnx.to_pure_dict(state)
    optimizer = make_optimizer(config.optimizer, config.steps, upsampler, model.scale)
    # The average is a copy: a donated state must not hold one buffer twice.
    ema = jax.tree.map(jnp.copy, params)
    first = TrainState(jnp.zeros((), jnp.int32), params, ema, optimizer.init(params))
    return Start(config.optimizer, optimizer, graph, first)


def check_warm_start(model: ModelConfig, trained: TrainedNetwork) -> None:
    """Checks that a network can start from a trained one; nothing is computed.

    Raises:
      InputError: as `warm_start` does.
    """
    shapes = nnx.to_pure_dict(nnx.state(model.build_abstract("subpixel")))
    warm_start(shapes, model, trained)


def warm_start(params: Params, model: ModelConfig, trained: TrainedNetwork) -> Params:
    """Returns initial parameters from a trained network, in the layout "subpixel".

    Args:
      params: the parameters of the new network in this layout. A trained network of another scale
        leaves those of the upsampler and its bias as they are.
      model: the config of the new network.
      trained: the trained network.

    Raises:
      InputError: if the layers of the trained network have other shapes, or the two configs differ
        in what the parameters mean, such as the scale of the input.
    """
    found = nnx.to_pure_dict(nnx.state(trained.build().with_upsampler("subpixel")))
    head = () if trained.config.scale == model.scale else ("upsampler", "bias")
    result = {**found, **{key: params[key] for key in head if key in params}}
    shape = attrgetter("shape")
    if jax.tree.map(shape, result) != jax.tree.map(shape, params):
        raise InputError(
            f"start_from: the layers of {trained.name} have other shapes than the network's: give "
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
            f"start_from: {trained.name} computes another function than the network from the same "
            f"parameters (model.{'; model.'.join(changed)}): give these fields its values"
        )
    return result
