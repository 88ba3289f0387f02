"""Finds the model that a user names: bicubic, a workdir, a weights file, a PyTorch checkpoint."""

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from rich.console import Console

from subpixel.image._resize import Border
from subpixel.kernels import LAYOUTS, Layout, from_torch_conv, reorder
from subpixel.sr.config import ESPCNConfig, Experiment
from subpixel.sr.errors import InputError
from subpixel.sr.export.torch_layouts import read_exported
from subpixel.sr.inference.upscaler import BicubicUpscaler, NetworkUpscaler, Upscaler
from subpixel.sr.models.activations import OutputActivation
from subpixel.sr.models.torch_files import read_torch
from subpixel.sr.models.trained import TrainedNetwork, check_params
from subpixel.sr.models.weights import load_weights
from subpixel.sr.training.checkpoints import restore
from subpixel.sr.training.optimizers import make_optimizer
from subpixel.sr.training.state import init_state
from subpixel.sr.workdir import read_config, weights_file

BICUBIC = "bicubic"
TORCH_SUFFIXES = frozenset({".pth", ".pt"})


@dataclass(frozen=True)
class Target:
    """A model to measure or to use.

    Attributes:
      name: as the user gave it.
      upscaler: what enlarges images.
      facts: what it is, for JSON: network, upsampler, scale, number of parameters.
      notes: what the user should know of it, one line each.
    """

    name: str
    upscaler: Upscaler
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the name and the facts."""
        return {"name": self.name, **self.facts}


def load_target(
    target: str,
    scale: int,
    upsampler: str | None = None,
    border: Border = "symmetric",
    output_activation: OutputActivation | None = None,
    checkpoint: str | None = None,
) -> Target:
    """Returns the model of a name for a scale.

    Args:
      target: "bicubic", or as in `load_trained`.
      scale: the scale that is wanted.
      upsampler: as in `load_trained`.
      border: of bicubic enlargement.
      output_activation: as in `load_trained`.
      checkpoint: as in `load_trained`.

    Raises:
      InputError: if there is no such target, it cannot be read, or it has another scale.
    """
    if target == BICUBIC:
        _check_options(target, output_activation, checkpoint)
        return Target(BICUBIC, BicubicUpscaler(scale, border))
    network = load_trained(target, scale, upsampler, output_activation, checkpoint)
    if network.config.scale != scale:
        raise InputError(
            f"{target} enlarges x{network.config.scale}, but the scale asked for is x{scale}"
        )
    upscaler = NetworkUpscaler(network.graph, network.params)
    return Target(target, upscaler, network.to_json(), network.notes)


def load_trained(
    target: str,
    scale: int | None = None,
    upsampler: str | None = None,
    output_activation: OutputActivation | None = None,
    checkpoint: str | None = None,
) -> TrainedNetwork:
    """Returns the trained network of a name.

    Args:
      target: a workdir, a weights file, or a PyTorch checkpoint.
      scale: of a PyTorch checkpoint that does not state it; by default it follows from the last
        layer.
      upsampler: which upsampler of a workdir (default: the first of its config).
      output_activation: of a PyTorch checkpoint, which does not state it (default: "none").
      checkpoint: which checkpoint of a workdir: "best", "last" or a step (default: the weights
        that the run ended with).

    Raises:
      InputError: if there is no such target, it cannot be read, or an option does not apply to it.
    """
    path = Path(target)
    _check_options(target, output_activation, checkpoint)
    if path.is_dir():
        return _from_workdir(path, upsampler, checkpoint)
    if _is_torch(path):
        exported = read_exported(path)
        if exported is None:
            return _from_torch(path, scale, output_activation or "none")
        network = TrainedNetwork(*exported)
        check_params(network, target)
        return network
    if path.is_file():
        return load_weights(path)
    raise InputError(
        f'there is no target {target!r}: it must be "{BICUBIC}", a workdir of train.py, a '
        "file of weights or a PyTorch checkpoint (.pth, .pt)"
    )


def _check_options(
    target: str, output_activation: OutputActivation | None, checkpoint: str | None
) -> None:
    if checkpoint is not None and not Path(target).is_dir():
        raise InputError(f"only a workdir of train.py has checkpoints; {target} is not one")
    if output_activation is not None and not _is_torch(Path(target)):
        raise InputError(
            f"output_activation is for PyTorch checkpoints, which do not hold it; got {target!r}"
        )


def _is_torch(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in TORCH_SUFFIXES


def _from_torch(
    path: Path, scale: int | None, output_activation: OutputActivation
) -> TrainedNetwork:
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
    if scale is None:
        scale = max(2, math.isqrt(outputs // channels))
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
    network = TrainedNetwork(config, "subpixel", params, {"output_activation": output_activation})
    check_params(network, str(path))
    return network


def _from_workdir(workdir: Path, upsampler: str | None, checkpoint: str | None) -> TrainedNetwork:
    experiment = read_config(workdir)
    name = _choose(experiment, workdir, upsampler)
    weights = weights_file(workdir, name)
    if checkpoint is None and weights.exists():
        return replace(load_weights(weights), facts={"step": experiment.steps})
    optimizer = make_optimizer(experiment.optimizer, experiment.steps)
    states = {
        name: init_state(experiment.model, name, optimizer, experiment.seed)[1]
        for name in experiment.upsamplers
    }
    run = restore(workdir, experiment, states, Console(stderr=True), checkpoint or "last")
    if run is None:
        raise InputError(f"workdir {workdir} has neither weights nor a checkpoint yet")
    return TrainedNetwork(experiment.model, name, run.states[name].ema, {"step": run.step})


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
