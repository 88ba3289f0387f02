"""Finds what is to be measured by the name that a user gives it."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from rich.console import Console

from subpixel.image._resize import Border
from subpixel.kernels import LAYOUTS, Layout, from_torch_conv, reorder
from subpixel.sr.config import ESPCNConfig, Experiment
from subpixel.sr.errors import InputError
from subpixel.sr.inference.upscaler import BicubicUpscaler, NetworkUpscaler, Upscaler
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.espcn import OutputActivation
from subpixel.sr.models.torch_files import read_torch
from subpixel.sr.models.weights import load_weights
from subpixel.sr.training.checkpoints import restore
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.state import init_state
from subpixel.sr.workdir import read_config, weights_file

BICUBIC = "bicubic"
TORCH_SUFFIXES = frozenset({".pth", ".pt"})


def load_target(
    target: str,
    scale: int,
    upsampler: str | None = None,
    border: Border = "symmetric",
    output_activation: OutputActivation | None = None,
    checkpoint: str | None = None,
) -> tuple[Upscaler, dict[str, Any]]:
    """Returns an upscaler and what it is.

    Args:
      target: "bicubic", a workdir, a file of weights, or a PyTorch checkpoint of an ESPCN.
      scale: the scale that is wanted.
      upsampler: of a workdir with several, which; by default the first of its config.
      border: of bicubic enlargement.
      output_activation: of a PyTorch checkpoint, which does not hold it; by default "none".
      checkpoint: of a workdir: "best", "last" or a step; by default what the run ended with.

    Returns:
      The upscaler, and a description for JSON.

    Raises:
      InputError: if there is no such target, it cannot be read, or it has another scale.
    """
    if checkpoint is not None and not Path(target).is_dir():
        raise InputError(f"only a workdir of train.py has checkpoints; {target} is not one")
    path = Path(target)
    is_torch = path.is_file() and path.suffix.lower() in TORCH_SUFFIXES
    if output_activation is not None and not is_torch:
        raise InputError(
            f"output_activation is for PyTorch checkpoints, which do not hold it; got {target!r}"
        )
    if target == BICUBIC:
        return BicubicUpscaler(scale, border), {"name": BICUBIC}
    if path.is_dir():
        network, about = _from_workdir(path, upsampler, checkpoint)
    elif is_torch:
        network, about = _from_torch(path, scale, output_activation or "none")
    elif path.is_file():
        network, about = _from_weights(path)
    else:
        raise InputError(
            f'there is no target {target!r}: it must be "{BICUBIC}", a workdir of train.py, a '
            "file of weights or a PyTorch checkpoint (.pth, .pt)"
        )
    if network.scale != scale:
        raise InputError(f"{target} enlarges x{network.scale}, but the scale asked for is x{scale}")
    return network, {"name": target, **about}


def _from_weights(path: Path) -> tuple[NetworkUpscaler, dict[str, Any]]:
    config, upsampler, params = load_weights(path)
    graph, expected = nnx.split(config.build(upsampler, seed=0))
    wanted, found = (jax.tree.map(lambda a: a.shape, tree) for tree in (expected, params))
    if nnx.to_pure_dict(wanted) != found:
        raise InputError(
            f"the weights in {path} do not have the shapes of the network in its header"
        )
    _refuse_unless_finite(params, path)
    return _network(config, graph, params), _about(config, upsampler, params)


def _from_torch(
    path: Path, scale: int, output_activation: OutputActivation
) -> tuple[NetworkUpscaler, dict[str, Any]]:
    """Reads an ESPCN, whose shape follows from those of its three convolutions."""
    tensors = list(read_torch(path).values())
    weights, biases = tensors[::2], tensors[1::2]
    shapes = [tensor.shape for tensor in tensors]
    fits = (
        [len(shape) for shape in shapes] == [4, 1, 4, 1, 4, 1]
        # PyTorch pads an even kernel to another size than its input's.
        and all(w.shape[2] == w.shape[3] and w.shape[2] % 2 for w in weights)
        and all(b.shape == w.shape[:1] for w, b in zip(weights, biases, strict=True))
        and all(a.shape[0] == b.shape[1] for a, b in pairwise(weights))
        and weights[0].shape[1] in (1, 3)
    )
    if not fits:
        raise InputError(
            f"{path} is not an ESPCN of three odd-sized convolutions with biases, on 1 or 3 "
            f"channels: its tensors have the shapes {', '.join(map(str, shapes))}"
        )
    channels, outputs = weights[0].shape[1], weights[2].shape[0]
    if outputs != channels * scale**2:
        raise InputError(
            f"{path} gives {outputs} channels before the shuffle, and x{scale} of {channels} "
            f"takes {channels * scale**2}: the scale asked for is not that of the network"
        )
    config = ESPCNConfig(
        scale=scale,
        channels=channels,
        features=(weights[0].shape[0], weights[1].shape[0]),
        kernel_sizes=(weights[0].shape[2], weights[1].shape[2], weights[2].shape[2]),
        output_activation=output_activation,
    )
    first, second, last = (from_torch_conv(jnp.asarray(w, jnp.float32)) for w in weights)
    first_bias, second_bias, last_bias = (jnp.asarray(b, jnp.float32) for b in biases)
    params = {
        "conv1": {"kernel": first, "bias": first_bias},
        "conv2": {"kernel": second, "bias": second_bias},
        "upsampler": {"kernel": reorder(last, scale, "crd", "dcr")},
        "bias": {"bias": reorder(last_bias, scale, "crd", "dcr")},
    }
    _refuse_unless_finite(params, path)
    graph, _ = nnx.split(config.build("subpixel", seed=0))
    about = _about(config, "subpixel", params)
    return _network(config, graph, params), {**about, "output_activation": output_activation}


def _refuse_unless_finite(params: Any, path: Path) -> None:
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        raise InputError(f"the weights in {path} are not all finite numbers")


def _from_workdir(
    workdir: Path, upsampler: str | None, checkpoint: str | None
) -> tuple[NetworkUpscaler, dict[str, Any]]:
    experiment = read_config(workdir)
    name = _choose(experiment, workdir, upsampler)
    weights = weights_file(workdir, name)
    if checkpoint is None and weights.exists():
        network, about = _from_weights(weights)
        return network, {**about, "step": experiment.steps}
    optimizer = make_optimizer(experiment.optimizer, experiment.steps)
    initial = {
        name: init_state(experiment.model, name, optimizer, experiment.seed)
        for name in experiment.upsamplers
    }
    states = {n: state for n, (_, state) in initial.items()}
    run = restore(workdir, experiment, states, Console(stderr=True), checkpoint or "last")
    if run is None:
        raise InputError(f"workdir {workdir} has neither weights nor a checkpoint yet")
    params = run.states[name].ema
    about = {**_about(experiment.model, name, params), "step": run.step}
    return _network(experiment.model, initial[name][0], params), about


def _choose(experiment: Experiment, workdir: Path, upsampler: str | None) -> Layout:
    if upsampler is None:
        return experiment.upsamplers[0]
    for name in experiment.upsamplers:
        if name == upsampler:
            return name
    raise InputError(
        f"workdir {workdir} has no upsampler {upsampler!r}: it trained "
        f"{', '.join(experiment.upsamplers)} (of {', '.join(LAYOUTS)})"
    )


def _network(config: ModelConfig, graph: nnx.GraphDef[Any], params: Any) -> NetworkUpscaler:
    return NetworkUpscaler(graph, params, config.scale, config.channels)


def _about(config: ModelConfig, upsampler: Layout, params: Any) -> dict[str, Any]:
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    return {"upsampler": upsampler, "scale": config.scale, "parameters": count}
