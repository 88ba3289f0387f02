"""The state of a training and the step that advances it."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from subpixel.config import Experiment, ModelConfig, OptimizerConfig
from subpixel.kernels import Spelling
from subpixel.models import ESPCN

Params = Any  # a nested dict of arrays
Metrics = dict[str, jax.Array]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["step", "params", "ema", "opt_state"],
    meta_fields=[],
)
@dataclass(frozen=True)
class TrainState:
    """Everything that a step changes.

    Attributes:
      step: steps done, int32.
      params: parameters, a nested dict of arrays.
      ema: their exponential moving average, of the same structure.
      opt_state: the optimiser's.
    """

    step: jax.Array
    params: Params
    ema: Params
    opt_state: optax.OptState


def make_model(config: ModelConfig, upsampler: Spelling, seed: int) -> ESPCN:
    """Returns a new network. The same seed gives the same function for every upsampler."""
    model = ESPCN(
        config.scale,
        channels=config.channels,
        upsampler="subpixel",
        features=config.features,
        kernel_sizes=config.kernel_sizes,
        bias=config.bias,
        input_mean=config.input_mean,
        input_scale=config.input_scale,
        residual=config.residual,
        output_activation=config.output_activation,
        rngs=nnx.Rngs(seed),
    )
    return model.with_upsampler(upsampler)


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """Returns Adam with a linear warm-up and a cosine decay to zero at the last of `steps`."""
    return optax.adam(
        optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, config.warmup_steps, steps)
    )


def init_state(
    experiment: Experiment, upsampler: Spelling, optimizer: optax.GradientTransformation
) -> tuple[nnx.GraphDef[ESPCN], TrainState]:
    """Returns the network's definition and the state before the first step."""
    graph, state = nnx.split(make_model(experiment.model, upsampler, experiment.seed))
    params = nnx.to_pure_dict(state)
    # The average is a copy: a donated state must not hold one buffer twice.
    ema = jax.tree.map(jnp.copy, params)
    return graph, TrainState(jnp.zeros((), jnp.int32), params, ema, optimizer.init(params))


def pixel_loss(name: str, output: jax.Array, target: jax.Array) -> jax.Array:
    """Returns the mean over all pixels of the squared ("mse") or absolute ("l1") error."""
    error = output - target
    return jnp.mean(error**2 if name == "mse" else jnp.abs(error))


@partial(
    jax.jit,
    static_argnames=("graph", "optimizer", "loss", "ema_decay"),
    donate_argnames="state",
)
def train_step(
    state: TrainState,
    batch: dict[str, jax.Array],
    *,
    graph: nnx.GraphDef[ESPCN],
    optimizer: optax.GradientTransformation,
    loss: str,
    ema_decay: float,
) -> tuple[TrainState, Metrics]:
    """Takes one step, or none where the loss or the gradient is not finite.

    Such a step counts, and changes nothing else: the batch after it finds the state as it was.

    Args:
      state: before the step. It is donated: its buffers are gone afterwards.
      batch: {"low": uint8 (n, h, w, c), "high": uint8 (n, r*h, r*w, c)}.
      graph: the network's definition.
      optimizer: as from `make_optimizer`.
      loss: "mse" or "l1".
      ema_decay: of the moving average. It is lower in the first steps, (1 + t) / (10 + t), so that
        the average forgets the initial values.

    Returns:
      The state after the step, and scalars of it: "loss", before the step; "gradient_norm"; and
      "finite", whether both of them are.
    """
    low, high = (batch[key].astype(jnp.float32) / 255 for key in ("low", "high"))

    def loss_of(params: Params) -> jax.Array:
        return pixel_loss(loss, nnx.merge(graph, params)(low), high)

    value, gradients = jax.value_and_grad(loss_of)(state.params)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    decay = jnp.minimum(ema_decay, (1 + state.step) / (10 + state.step))
    ema = optax.incremental_update(params, state.ema, 1 - decay)
    norm = optax.tree.norm(gradients)
    finite = jnp.isfinite(value) & jnp.isfinite(norm)
    before = (state.params, state.ema, state.opt_state)
    after = jax.tree.map(partial(jnp.where, finite), (params, ema, opt_state), before)
    metrics = {"loss": value, "gradient_norm": norm, "finite": finite}
    return TrainState(state.step + 1, *after), metrics


def lower_step(
    experiment: Experiment,
    graph: nnx.GraphDef[ESPCN],
    state: TrainState,
    optimizer: optax.GradientTransformation,
    batch: Any,
) -> jax.stages.Lowered:
    """Lowers the step of an experiment; compiled, it takes a state and a batch.

    Args:
      experiment: what is trained.
      graph: the network's definition.
      state: of the structure that the step takes.
      optimizer: as from `make_optimizer`.
      batch: arrays, or their shapes and dtypes.
    """
    config = experiment.optimizer
    return train_step.lower(
        state,
        batch,
        graph=graph,
        optimizer=optimizer,
        loss=config.loss,
        ema_decay=config.ema_decay,
    )
