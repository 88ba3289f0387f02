"""The state of a training and the step that advances it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh

from subpixel.kernels import Layout
from subpixel.sr.errors import InputError
from subpixel.sr.models.base import Params
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.training.parallel import over_devices

Metrics = dict[str, jax.Array]
Gradient = Callable[[Params, dict[str, jax.Array]], tuple[jax.Array, Params]]

# Low-resolution pixels of a part of a batch whose activations stay in a CPU's cache, and the most
# parts that are unrolled, since each is compiled: docs/training.md has what was measured.
PIXELS_IN_CACHE = 2400
MOST_PARTS = 16


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


def init_state(
    experiment: TrainingConfig, upsampler: Layout, optimizer: optax.GradientTransformationExtraArgs
) -> tuple[nnx.GraphDef[Any], TrainState]:
    """Returns the network's definition and the state before the first step."""
    graph, state = nnx.split(experiment.model.build(upsampler, experiment.seed))
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
    static_argnames=("graph", "optimizer", "loss", "ema_decay", "accumulation", "mesh"),
    donate_argnames="state",
)
def train_step(
    state: TrainState,
    batch: dict[str, jax.Array],
    *,
    graph: nnx.GraphDef[Any],
    optimizer: optax.GradientTransformationExtraArgs,
    loss: str,
    ema_decay: float,
    accumulation: int = 1,
    mesh: Mesh | None = None,
) -> tuple[TrainState, Metrics]:
    """Takes one step, or none where the loss or the gradient is not finite.

    Such a step counts, and changes nothing else: the batch after it finds the state as it was.

    Args:
      state: before the step. It is donated: its buffers are gone afterwards.
      batch: {"lr": uint8 (n, h, w, c), "hr": uint8 (n, r*h, r*w, c)}.
      graph: the network's definition.
      optimizer: as from `make_optimizer`.
      loss: "mse" or "l1".
      ema_decay: of the moving average. It is lower in the first steps, (1 + t) / (10 + t), so that
        the average forgets the initial values.
      accumulation: equal parts of each device's batch, differentiated one by one.
      mesh: of several devices, over which the batch is divided and the state is the same.

    Returns:
      The state after the step, and scalars of it: "loss", before the step; "gradient_norm"; and
      "finite", whether both of them are.
    """

    def loss_of(params: Params, part: dict[str, jax.Array]) -> jax.Array:
        lr, hr = (part[key].astype(jnp.float32) / 255 for key in ("lr", "hr"))
        return pixel_loss(loss, nnx.merge(graph, params)(lr), hr)

    gradient = mean_gradient(jax.value_and_grad(loss_of), accumulation)
    if mesh is not None:
        gradient = over_devices(gradient, mesh)
    value, gradients = gradient(state.params, batch)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params, value=value)
    params = optax.apply_updates(state.params, updates)
    decay = jnp.minimum(ema_decay, (1 + state.step) / (10 + state.step))
    ema = optax.incremental_update(params, state.ema, 1 - decay)
    norm = optax.tree.norm(gradients)
    finite = jnp.isfinite(value) & jnp.isfinite(norm)
    before = (state.params, state.ema, state.opt_state)
    after = jax.tree.map(partial(jnp.where, finite), (params, ema, opt_state), before)
    metrics = {"loss": value, "gradient_norm": norm, "finite": finite}
    return TrainState(state.step + 1, *after), metrics


def mean_gradient(gradient: Gradient, accumulation: int) -> Gradient:
    """Returns the mean of `gradient` over equal parts of a batch.

    The parts are unrolled: in `lax.scan`, XLA's CPU compiler falls back to loops of its own, which
    are ten times slower than its convolutions.
    """

    def mean(params: Params, batch: dict[str, jax.Array]) -> tuple[jax.Array, Params]:
        parts = jax.tree.map(lambda x: jnp.split(x, accumulation), batch)
        values = [
            gradient(params, {key: parts[key][number] for key in parts})
            for number in range(accumulation)
        ]
        return jax.tree.map(lambda *each: sum(each) / accumulation, *values)

    return mean


def lower_step(
    experiment: TrainingConfig,
    graph: nnx.GraphDef[Any],
    state: TrainState,
    optimizer: optax.GradientTransformationExtraArgs,
    batch: Any,
    mesh: Mesh | None = None,
) -> jax.stages.Lowered:
    """Lowers the step of an experiment; compiled, it takes a state and a batch.

    Args:
      experiment: what is trained.
      graph: the network's definition.
      state: of the structure that the step takes.
      optimizer: as from `make_optimizer`.
      batch: arrays, or their shapes and dtypes.
      mesh: as in `train_step`.

    Raises:
      InputError: if a device's batch cannot be divided by optimizer.accumulation.
    """
    config = experiment.optimizer
    return train_step.lower(
        state,
        batch,
        graph=graph,
        optimizer=optimizer,
        loss=config.loss,
        ema_decay=config.ema_decay,
        accumulation=accumulation(experiment, 1 if mesh is None else mesh.size),
        mesh=mesh,
    )


def accumulation(experiment: TrainingConfig, devices: int) -> int:
    """Returns in how many parts each device differentiates its batch.

    Raises:
      InputError: if the batch cannot be divided so.
    """
    data, wanted = experiment.data, experiment.optimizer.accumulation
    batch = data.batch_size // devices
    if wanted is not None:
        if batch % wanted:
            raise InputError(
                f"optimizer.accumulation is {wanted}, which does not divide the {batch} patches "
                "that a device takes in a step: choose a divisor of it"
            )
        return wanted
    if jax.default_backend() != "cpu":
        return 1
    fitting = [
        parts
        for parts in range(1, min(batch, MOST_PARTS) + 1)
        if batch % parts == 0 and batch // parts * data.patch_size**2 <= PIXELS_IN_CACHE
    ]
    return min(fitting, default=max(n for n in range(1, MOST_PARTS + 1) if batch % n == 0))
