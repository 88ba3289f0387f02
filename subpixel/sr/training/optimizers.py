"""Optimiser of a config, its learning rate schedule and gradient clipping."""

from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon, reduce_on_plateau

from subpixel import kernels
from subpixel.kernels import Layout
from subpixel.sr.training.config import OptimizerConfig
from subpixel.sr.training.soap import scale_by_soap


def make_optimizer(
    config: OptimizerConfig, steps: int, upsampler: Layout = "subpixel", scale: int = 1
) -> optax.GradientTransformationExtraArgs:
    """Returns the optimiser of a config; its update also takes the loss, as ``value=``.

    Muon and SOAP see the kernel of each upsampler in the sub-pixel layout. They treat a kernel as a
    matrix, so in another layout the same function would be trained in another way. Adam treats
    each number alone.

    Args:
      config: the optimiser's config.
      steps: number of steps of the run, at the last of which a cosine schedule ends.
      upsampler: layout of the upsampler's kernel.
      scale: of the network.
    """
    named = _by_name(config, _schedule(config, steps))
    if config.name != "adam" and upsampler != "subpixel":
        named = _in_subpixel_layout(named, upsampler, scale)
    parts: list[optax.GradientTransformation] = [named]
    if config.clip_norm is not None:
        parts.insert(0, optax.clip_by_global_norm(config.clip_norm))
    if config.schedule == "plateau":
        parts.append(
            reduce_on_plateau(
                factor=config.plateau_factor,
                patience=1,
                rtol=config.plateau_threshold,
                atol=0.0,
                accumulation_size=config.plateau_steps,
                min_scale=config.final_learning_rate / config.learning_rate,
            )
        )
    return optax.with_extra_args_support(optax.chain(*parts) if parts[1:] else parts[0])


def _by_name(config: OptimizerConfig, rate: optax.Schedule) -> optax.GradientTransformation:
    if config.name == "muon":
        return muon(rate, muon_weight_dimension_numbers=_kernel_axes)
    decays = {"b1": config.b1, "b2": config.b2}
    given: dict[str, Any] = {key: value for key, value in decays.items() if value is not None}
    if config.name == "soap":
        scale = scale_by_soap(**given, basis_every=config.basis_every, damping=config.damping)
        return optax.chain(scale, optax.scale_by_learning_rate(rate))
    return optax.adam(rate, **given)


def _in_subpixel_layout(
    inner: optax.GradientTransformation, upsampler: Layout, scale: int
) -> optax.GradientTransformation:
    """Returns an optimiser that converts the upsampler's kernel for another, and back."""

    def convert(tree: Any, source: Layout, target: Layout) -> Any:
        kernel = kernels.convert(tree["upsampler"]["kernel"], scale, source, target)
        return {**tree, "upsampler": {**tree["upsampler"], "kernel": kernel}}

    def init(params: Any) -> optax.OptState:
        return inner.init(convert(params, upsampler, "subpixel"))

    def update(updates: Any, state: optax.OptState, params: Any = None) -> tuple[Any, Any]:
        updates, params = (
            tree and convert(tree, upsampler, "subpixel") for tree in (updates, params)
        )
        updates, state = inner.update(updates, state, params)
        return convert(updates, "subpixel", upsampler), state

    return optax.GradientTransformation(init, update)


def _kernel_axes(params: Any) -> Any:
    """Returns the axes of each kernel that are the rows of its matrix; None for vectors."""

    def axes(x: jax.Array) -> MuonDimensionNumbers | None:
        last = x.ndim - 1
        return MuonDimensionNumbers(tuple(range(last)), (last,)) if last > 0 else None

    return jax.tree.map(axes, params)


def _schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    rate = config.learning_rate
    # A run that is shorter than its warm-up would never reach the learning rate.
    warmup = config.warmup_steps if config.warmup_steps < steps else steps // 10
    if config.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(
            0.0, rate, warmup, steps, config.final_learning_rate
        )
    rise = optax.linear_schedule(0.0, rate, warmup)
    return optax.join_schedules([rise, optax.constant_schedule(rate)], [warmup])
