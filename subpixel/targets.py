"""Finds what is to be measured by the name that a user gives it."""

from pathlib import Path
from typing import Any

import jax
from flax import nnx
from rich.console import Console

from subpixel.config import Experiment, ModelConfig
from subpixel.errors import InputError
from subpixel.files import load_weights
from subpixel.image.resize import Border
from subpixel.kernels import SPELLINGS, Spelling
from subpixel.training.checkpoints import restore
from subpixel.training.state import init_state, make_model, make_optimizer
from subpixel.upscaling import Bicubic, Network, Upscaler
from subpixel.workdir import read_config, weights_file

BICUBIC = "bicubic"


def load_target(
    target: str, scale: int, upsampler: str | None = None, border: Border = "symmetric"
) -> tuple[Upscaler, dict[str, Any]]:
    """Returns an upscaler and what it is.

    Args:
      target: "bicubic", a workdir, or a file of weights.
      scale: the scale that is wanted.
      upsampler: of a workdir with several, which; by default the first of its config.
      border: of bicubic enlargement.

    Returns:
      The upscaler, and a description for JSON.

    Raises:
      InputError: if there is no such target, it cannot be read, or it has another scale.
    """
    if target == BICUBIC:
        return Bicubic(scale, border), {"name": BICUBIC}
    path = Path(target)
    if path.is_dir():
        network, about = _from_workdir(path, upsampler)
    elif path.is_file():
        network, about = _from_weights(path)
    else:
        raise InputError(
            f'there is no target {target!r}: it must be "{BICUBIC}", a workdir of train.py or a '
            "file of weights"
        )
    if network.scale != scale:
        raise InputError(f"{target} enlarges x{network.scale}, but the scale asked for is x{scale}")
    return network, {"name": target, **about}


def _from_weights(path: Path) -> tuple[Network, dict[str, Any]]:
    config, upsampler, params = load_weights(path)
    graph, expected = nnx.split(make_model(config, upsampler, seed=0))
    wanted, found = (jax.tree.map(lambda a: a.shape, tree) for tree in (expected, params))
    if nnx.to_pure_dict(wanted) != found:
        raise InputError(
            f"the weights in {path} do not have the shapes of the network in its header"
        )
    return _network(config, graph, params), _about(config, upsampler, params)


def _from_workdir(workdir: Path, upsampler: str | None) -> tuple[Network, dict[str, Any]]:
    experiment = read_config(workdir)
    name = _choose(experiment, workdir, upsampler)
    weights = weights_file(workdir, name)
    if weights.exists():
        network, about = _from_weights(weights)
        return network, {**about, "step": experiment.steps}
    optimizer = make_optimizer(experiment.optimizer, experiment.steps)
    initial = {n: init_state(experiment, n, optimizer) for n in experiment.upsamplers}
    states = {n: state for n, (_, state) in initial.items()}
    progress = restore(workdir, experiment, states, Console(stderr=True))
    if progress is None:
        raise InputError(f"workdir {workdir} has neither weights nor a checkpoint yet")
    params = progress.states[name].ema
    about = {**_about(experiment.model, name, params), "step": progress.step}
    return _network(experiment.model, initial[name][0], params), about


def _choose(experiment: Experiment, workdir: Path, upsampler: str | None) -> Spelling:
    if upsampler is None:
        return experiment.upsamplers[0]
    for name in experiment.upsamplers:
        if name == upsampler:
            return name
    raise InputError(
        f"workdir {workdir} has no upsampler {upsampler!r}: it trained "
        f"{', '.join(experiment.upsamplers)} (of {', '.join(SPELLINGS)})"
    )


def _network(config: ModelConfig, graph: nnx.GraphDef[Any], params: Any) -> Network:
    return Network(graph, params, config.scale, config.channels)


def _about(config: ModelConfig, upsampler: Spelling, params: Any) -> dict[str, Any]:
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    return {"upsampler": upsampler, "scale": config.scale, "parameters": count}
