"""The state of a training and the step that advances it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Float, Num, Shaped, UInt8

from subpixel.kernels import Layout
from subpixel.sr._support.errors import InputError
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.base import Params
from subpixel.sr.training.config import OptimizerConfig
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.parallel import over_devices
from subpixel.sr.training.warm_start import warm_start

# The keys are "lr" and "hr", whose heights and widths differ.
DeviceBatch = dict[str, UInt8[Array, "n _ _ c"]]
Metrics = dict[str, Shaped[Array, ""]]
Gradient = Callable[[Params, DeviceBatch], tuple[Float[Array, ""], Params]]

# The number of LR pixels whose activations stay in a CPU's cache, and the largest number of parts
# of a batch, each of which is compiled: docs/training.md has the measurements.
PIXELS_IN_CACHE = 2400
MOST_PARTS = 16

# XLA's gradient of a kernel with fewer inputs and outputs than this is slow for few images, so a
# batch is divided into two parts at most.
FEW_CHANNELS = 16


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


def start_training(
    model: ModelConfig,
    config: OptimizerConfig,
    steps: int,
    upsampler: Layout,
    seed: int,
    start_from: str | None = None,
) -> tuple[optax.GradientTransformationExtraArgs, nnx.GraphDef[Any], TrainState]:
    """Returns the optimiser of a config, the network's definition and the state of `init_state`.

    Args:
      model: the network's config.
      config: the optimiser's config.
      steps: number of steps of the run, as in `make_optimizer`.
      upsampler: of the network.
      seed: of the initial parameters.
      start_from: as in `init_state`.

    Raises:
      InputError: as `init_state` does.
    """
    optimizer = make_optimizer(config, steps, upsampler, model.scale)
    graph, state = init_state(model, upsampler, optimizer, seed, start_from)
    return optimizer, graph, state


def init_state(
    model: ModelConfig,
    upsampler: Layout,
    optimizer: optax.GradientTransformationExtraArgs,
    seed: int,
    start_from: str | None = None,
) -> tuple[nnx.GraphDef[Any], TrainState]:
    """Returns the network's definition and the state before the first step.

    Args:
      model: the network's config.
      upsampler: its upsampler.
      optimizer: as from `make_optimizer`.
      seed: of the initial parameters.
      start_from: trained network whose parameters replace them; see `TrainingConfig`.

    Raises:
      InputError: if the trained network cannot be read, or its parameters do not fit.
    """
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
    return graph, TrainState(jnp.zeros((), jnp.int32), params, ema, optimizer.init(params))


def pixel_loss(
    name: str, output: Float[Array, "*shape"], target: Float[Array, "*shape"]
) -> Float[Array, ""]:
    """Returns the mean over all pixels of a loss: "mse", "l1" or "charbonnier".

    The Charbonnier loss is sqrt(error**2 + 1e-6), arXiv 1704.03915.
    """
    error = output - target
    if name == "charbonnier":
        return jnp.mean(jnp.sqrt(error**2 + 1e-6))
    return jnp.mean(error**2 if name == "mse" else jnp.abs(error))


@partial(
    jax.jit,
    static_argnames=("graph", "optimizer", "loss", "ema_decay", "accumulation", "mesh"),
    donate_argnames="state",
)
def train_step(
    state: TrainState,
    batch: DeviceBatch,
    *,
    graph: nnx.GraphDef[Any],
    optimizer: optax.GradientTransformationExtraArgs,
    loss: str,
    ema_decay: float,
    accumulation: int = 1,
    mesh: Mesh | None = None,
) -> tuple[TrainState, Metrics]:
    """Takes one optimiser step; skips it if the loss or the gradient norm is not finite.

    A skipped step increases the step count and changes nothing else.

    Args:
      state: the state before the step. It is donated: its buffers are invalid afterwards.
      batch: {"lr": uint8 (n, h, w, c), "hr": uint8 (n, r*h, r*w, c)}.
      graph: the network's definition.
      optimizer: as from `make_optimizer`.
      loss: "mse", "l1" or "charbonnier".
      ema_decay: decay of the moving average. In step t it is at most (1 + t) / (10 + t), so that
        the average soon forgets the initial parameters.
      accumulation: number of equal parts into which each device's batch is divided; their
        gradients are computed one after the other and averaged.
      mesh: the mesh over which the batch is divided and the state is replicated; None for one
        device.

    Returns:
      The state after the step, and scalars: "loss" and "gradient_norm", both before the step, and
      "finite", whether both are finite.
    """

    def loss_of(params: Params, part: DeviceBatch) -> Float[Array, ""]:
        lr, hr = (part[key].astype(jnp.float32) / 255 for key in ("lr", "hr"))
        return pixel_loss(loss, nnx.merge(graph, params)(lr), hr)

    gradient = mean_gradient(jax.value_and_grad(loss_of), accumulation)
    if mesh is not None:
        gradient = over_devices(gradient, mesh)
    value, gradients = gradient(state.params, batch)
    # Optax multiplies counters by floats, which JAX can be told to refuse.
    with jax.numpy_dtype_promotion("standard"):
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
    """Returns a function that averages `gradient` over `accumulation` equal parts of a batch.

    The parts are unrolled: inside `lax.scan`, XLA's CPU compiler replaces its fast convolutions by
    plain loops, which are ten times slower.
    """

    def mean(
        params: Params, batch: dict[str, Num[Array, "n _ _ c"]]
    ) -> tuple[Float[Array, ""], Params]:
        parts = jax.tree.map(lambda x: jnp.split(x, accumulation), batch)
        values = [
            gradient(params, {key: parts[key][number] for key in parts})
            for number in range(accumulation)
        ]
        return jax.tree.map(lambda *each: sum(each) / accumulation, *values)

    return mean


def lower_step(
    config: OptimizerConfig,
    graph: nnx.GraphDef[Any],
    state: TrainState,
    optimizer: optax.GradientTransformationExtraArgs,
    batch: Any,
    mesh: Mesh | None = None,
    *,
    platform: str,
) -> jax.stages.Lowered:
    """Lowers the training step; compiled, it takes a state and a batch.

    Each call traces the step again, also for equal arguments, so its time is that of a first call.

    Args:
      config: the optimiser's.
      graph: the network's definition.
      state: of the structure that the step takes.
      optimizer: as from `make_optimizer`.
      batch: arrays, or their shapes and dtypes, of the whole batch over all devices.
      mesh: as in `train_step`.
      platform: of the devices for which the step is compiled, such as "cpu".

    Raises:
      InputError: if optimizer.accumulation does not divide the batch of a device.
    """
    options = _step_options(config, graph, state.params, optimizer, batch, mesh, platform)
    # JAX finds earlier traces by the identity of the function, and this one is new.
    step = partial(inspect.unwrap(train_step), **options)
    return jax.jit(step, donate_argnums=0).lower(state, batch)


def compile_step(
    config: OptimizerConfig,
    graph: nnx.GraphDef[Any],
    state: TrainState,
    optimizer: optax.GradientTransformationExtraArgs,
    batch: Any,
    mesh: Mesh | None = None,
    *,
    platform: str,
) -> Callable[[TrainState, Any], tuple[TrainState, Metrics]]:
    """Returns the training step as a function of a state and a batch; arguments: `lower_step`.

    It is compiled, unless JAX_DISABLE_JIT is set: JAX then refuses to run compiled programs.
    """
    if jax.config.values["jax_disable_jit"]:
        options = _step_options(config, graph, state.params, optimizer, batch, mesh, platform)
        return partial(train_step, **options)
    lowered = lower_step(config, graph, state, optimizer, batch, mesh, platform=platform)
    return lowered.compile(compiler_options(config, platform))


def compiler_options(config: OptimizerConfig, platform: str) -> dict[str, str | bool]:
    """Returns the XLA options with which a training step is compiled for a platform."""
    eigen = config.cpu_convolutions == "eigen" and platform == "cpu"
    return _eigen_options() if eigen else {}


@cache
def _eigen_options() -> dict[str, str | bool]:
    """Returns the options that choose Eigen's convolutions on a CPU, if this XLA has them."""
    options: dict[str, str | bool] = {"xla_cpu_experimental_ynn_fusion_type": ""}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def _step_options(
    config: OptimizerConfig,
    graph: nnx.GraphDef[Any],
    params: Params,
    optimizer: optax.GradientTransformationExtraArgs,
    batch: Any,
    mesh: Mesh | None,
    platform: str,
) -> dict[str, Any]:
    """Returns the keyword arguments of `train_step` for a config; see `lower_step`."""
    count, height, width, _ = batch["lr"].shape
    return {
        "graph": graph,
        "optimizer": optimizer,
        "loss": config.loss,
        "ema_decay": config.ema_decay,
        "accumulation": choose_accumulation(
            # Eigen's convolutions are fastest on a whole batch.
            1
            if config.accumulation is None and compiler_options(config, platform)
            else config.accumulation,
            count // (1 if mesh is None else mesh.size),
            height * width,
            most_parts(params),
            platform=platform,
        ),
        "mesh": mesh,
    }


def most_parts(params: Params) -> int:
    """Returns the largest number of parts of a batch for a network with these parameters."""
    kernels = [leaf.shape[-2:] for leaf in jax.tree.leaves(params) if leaf.ndim == 4]
    narrowest = min((max(channels) for channels in kernels), default=FEW_CHANNELS)
    return 2 if narrowest < FEW_CHANNELS else MOST_PARTS


def choose_accumulation(
    wanted: int | None, patches: int, pixels: int, most: int = MOST_PARTS, *, platform: str
) -> int:
    """Returns the number of parts into which a device divides its batch.

    Args:
      wanted: optimizer.accumulation; None chooses 1, and on a CPU the smallest number whose parts
        fit in a cache.
      patches: number of patches that a device takes in a step.
      pixels: number of LR pixels of a patch.
      most: the largest number that is chosen.
      platform: of the devices, such as "cpu".

    Raises:
      InputError: if `wanted` does not divide the patches.
    """
    if wanted is not None:
        if patches % wanted:
            raise InputError(
                f"optimizer.accumulation is {wanted}, which does not divide the {patches} patches "
                "that a device takes in a step: choose a divisor of it"
            )
        return wanted
    if platform != "cpu":
        return 1
    divisors = [parts for parts in range(1, most + 1) if patches % parts == 0]
    fitting = [parts for parts in divisors if patches // parts * pixels <= PIXELS_IN_CACHE]
    return min(fitting, default=max(divisors))
