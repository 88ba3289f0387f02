"""The training step: the loss, its gradient, the update, and their compilation."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Float, Num, Shaped, UInt8

from subpixel.sr._support.errors import InputError
from subpixel.sr.models.base import Params
from subpixel.sr.training.config import OptimizerConfig, TrainingConfig
from subpixel.sr.training.parallel import check_division, over_devices
from subpixel.sr.training.state import Start, TrainState

# The keys are "lr" and "hr", whose heights and widths differ.
DeviceBatch = dict[str, UInt8[Array, "n _ _ c"]]
Metrics = dict[str, Shaped[Array, ""]]
Step = Callable[[TrainState, Any], tuple[TrainState, Metrics]]
Gradient = Callable[[Params, DeviceBatch], tuple[Float[Array, ""], Params]]

# The number of LR pixels whose activations stay in a CPU's cache, and the largest number of parts
# of a batch, each of which is compiled: research/cpu.md has the measurements.
PIXELS_IN_CACHE = 2400
MAX_PARTS = 16

# XLA's gradient of a kernel with fewer inputs and outputs than this is slow for few images, so a
# batch is divided into two parts at most.
FEW_CHANNELS = 16


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
      state: the state before the step.
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
    start: Start, batch: Any, mesh: Mesh | None = None, *, platform: str
) -> jax.stages.Lowered:
    """Lowers the training step; compiled, it takes a state, which it donates, and a batch.

    Each call traces the step again, also for equal arguments, so its time is that of a first call.

    Args:
      start: of the training.
      batch: arrays, or their shapes and dtypes, of the whole batch over all devices.
      mesh: as in `train_step`.
      platform: of the devices for which the step is compiled, such as "cpu".

    Raises:
      InputError: if optimizer.accumulation does not divide the batch of a device.
    """
    return _jitted(start, batch, mesh, platform).lower(start.state, batch)


def _jitted(start: Start, batch: Any, mesh: Mesh | None, platform: str) -> Any:
    """Returns the step of a config as a new jitted function."""
    config, (count, height, width, _) = start.config, batch["lr"].shape
    wanted = config.accumulation
    if wanted is None and compiler_options(config, platform):
        wanted = 1  # Eigen's convolutions are fastest on a whole batch
    accumulation = choose_accumulation(
        wanted,
        count // (1 if mesh is None else mesh.size),
        height * width,
        max_parts(start.state.params),
        platform=platform,
    )
    step = partial(
        train_step,
        graph=start.graph,
        optimizer=start.optimizer,
        loss=config.loss,
        ema_decay=config.ema_decay,
        accumulation=accumulation,
        mesh=mesh,
    )
    return jax.jit(step, donate_argnums=0)


@dataclass(frozen=True)
class CompiledStep:
    """A compiled training step; a call returns the state after the step, and the metrics.

    Attributes:
      program: as compiled from `lower_step`.
      compile_s: seconds of tracing and compilation; None if the program comes from JAX's cache.
    """

    program: jax.stages.Compiled
    compile_s: float | None

    def __call__(self, state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        """Runs the program, which donates the state."""
        return self.program(state, batch)


def compile_step(start: Start, batch: Any, mesh: Mesh | None = None, *, platform: str) -> Step:
    """Returns the training step as a function of a state and a batch; arguments: `lower_step`.

    It is a `CompiledStep`, unless JAX_DISABLE_JIT is set: JAX then runs no compiled program.
    """
    if jax.config.values["jax_disable_jit"]:
        return _jitted(start, batch, mesh, platform)
    began = time.perf_counter()
    lowered = lower_step(start, batch, mesh, platform=platform)
    with _cache_hits() as hits:
        program = lowered.compile(compiler_options(start.config, platform))
    return CompiledStep(program, None if hits else time.perf_counter() - began)


@contextmanager
def _cache_hits() -> Iterator[list[str]]:
    """Yields a list that has one entry for each program that JAX's cache gives in the context."""
    hits: list[str] = []

    def listen(event: str, **_: Any) -> None:
        if event == "/jax/compilation_cache/cache_hits":
            hits.append(event)

    jax.monitoring.register_event_listener(listen)
    try:
        yield hits
    finally:
        jax.monitoring.unregister_event_listener(listen)


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


def check_batch(config: TrainingConfig, devices: int, platform: str) -> None:
    """Checks that a batch can be divided over devices, and there into its parts.

    Raises:
      InputError: if it cannot; the message names the rule and a batch that can.
    """
    data = config.data
    check_division(data.batch_size, devices)
    patches, pixels = data.batch_size // devices, data.patch_size**2
    choose_accumulation(config.optimizer.accumulation, patches, pixels, platform=platform)


def max_parts(params: Params) -> int:
    """Returns the largest number of parts of a batch for a network with these parameters."""
    kernels = [leaf.shape[-2:] for leaf in jax.tree.leaves(params) if leaf.ndim == 4]
    narrowest = min((max(channels) for channels in kernels), default=FEW_CHANNELS)
    return 2 if narrowest < FEW_CHANNELS else MAX_PARTS


def choose_accumulation(
    wanted: int | None, patches: int, pixels: int, max_parts: int = MAX_PARTS, *, platform: str
) -> int:
    """Returns the number of parts into which a device divides its batch.

    Args:
      wanted: optimizer.accumulation; None chooses 1, and on a CPU the smallest number whose parts
        fit in a cache.
      patches: number of patches that a device takes in a step.
      pixels: number of LR pixels of a patch.
      max_parts: the largest number that is chosen.
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
    divisors = [parts for parts in range(1, max_parts + 1) if patches % parts == 0]
    fitting = [parts for parts in divisors if patches // parts * pixels <= PIXELS_IN_CACHE]
    return min(fitting, default=max(divisors))
