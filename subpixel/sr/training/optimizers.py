"""Optimiser of a config: Adam, learning rate schedule and gradient clipping."""

import optax
from optax.contrib import reduce_on_plateau

from subpixel.sr.training.config import OptimizerConfig


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformationExtraArgs:
    """Returns the optimiser of a config; its update also takes the loss, as ``value=``.

    Args:
      config: the optimiser's config.
      steps: number of steps of the run, at the last of which a cosine schedule ends.
    """
    parts: list[optax.GradientTransformation] = [optax.adam(_schedule(config, steps))]
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


def _schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    rate, warmup = config.learning_rate, config.warmup_steps
    if config.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(
            0.0, rate, warmup, steps, config.final_learning_rate
        )
    rise = optax.linear_schedule(0.0, rate, warmup)
    return optax.join_schedules([rise, optax.constant_schedule(rate)], [warmup])
