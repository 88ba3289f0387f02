"""Finds the network that a user names: a released model, one of the Hub, a workdir, or a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from subpixel.kernels import Layout
from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.hub import PREFIX, download, is_hub_folder, load_hub_folder
from subpixel.sr.inference.bicubic import BICUBIC_NAME
from subpixel.sr.models.base import Network
from subpixel.sr.models.released import (
    load_released,
    nearest_released,
    released_names,
    released_scales,
)
from subpixel.sr.models.torch_files import EXPORTED, is_torch, read_checkpoint
from subpixel.sr.models.torch_networks import KNOWN, network_from_torch
from subpixel.sr.models.trained import TrainedNetwork, check_params
from subpixel.sr.models.weights import load_weights
from subpixel.sr.provenance import Provenance
from subpixel.sr.training.config import TrainingConfig
from subpixel.sr.workdir import read_config, weights_file


def find_model(
    name: str,
    scale: int | None = None,
    *,
    upsampler: Layout | None = None,
    checkpoint: str | None = None,
    activation: Activation | None = None,
    output_activation: OutputActivation | None = None,
) -> TrainedNetwork:
    """Returns the trained network of a name.

    Args:
      name: a released model ("espcn_x3"), or with a scale its family ("espcn"); a workdir, a
        weights file, or a PyTorch checkpoint; "hf://OWNER/NAME", with "@REVISION" or without, of
        the Hugging Face Hub, or a folder in its layout. A released model comes before a path,
        which ./NAME names. The content of a file decides what it is, not its suffix.
      scale: that the network must have (default: any). A PyTorch checkpoint that ends in a
        transposed convolution fits every scale, and needs it.
      upsampler: which upsampler of a workdir (default: the first of its config).
      checkpoint: which checkpoint of a workdir: "best", "last" or a step (default: the weights
        that the run ended with).
      activation: after the hidden layers of a PyTorch checkpoint, which does not state it
        (default: that of the network's paper).
      output_activation: at the end of a PyTorch checkpoint, which does not state it (default:
        "none").

    Raises:
      InputError: if there is no such model, it cannot be read, it has another scale, or an option
        does not apply to it.
    """
    check_options(name, checkpoint, activation, output_activation)
    network = _load(name, scale, upsampler, checkpoint, activation, output_activation)
    if scale is not None and network.config.scale != scale:
        raise InputError(
            f"{name} enlarges x{network.config.scale}, but the scale asked for is x{scale}"
        )
    return network


def load(target: str) -> Network:
    """Returns a trained network, an `nnx.Module`, which can be called and trained on.

    It is called on images (n, h, w, channels) in 0..1 and returns (n, r*h, r*w, channels), not
    clipped. A network of one channel takes luma: BT.601 studio range, Y/255. Every layer behaves
    alike in training and in evaluation.

    Args:
      target: the name of a model, as in `find_model`.

    Raises:
      InputError: if there is no such model, or it cannot be read.

    Example:
      >>> import jax.numpy as jnp
      >>> network = load("espcn_x3")
      >>> network(jnp.zeros((1, 20, 30, 1))).shape
      (1, 60, 90, 1)
    """
    return find_model(target).build()


def find_start(config: TrainingConfig) -> TrainedNetwork | None:
    """Returns the trained network that a training starts from, or None.

    Raises:
      InputError: if there is no such model, or it cannot be read.
    """
    return None if config.start_from is None else find_model(config.start_from)


def check_options(
    name: str,
    checkpoint: str | None = None,
    activation: Activation | None = None,
    output_activation: OutputActivation | None = None,
) -> None:
    """Checks the options of `find_model` against the kind of a model, or of bicubic.

    Raises:
      InputError: if an option is given and does not apply to it.
    """
    path, is_path = Path(name), not released_scales(name)
    is_workdir = is_path and path.is_dir() and not is_hub_folder(path)
    if checkpoint is not None and not is_workdir:
        raise InputError(f"only a workdir of train.py has checkpoints; {name} is not one")
    is_checkpoint = is_path and path.is_file() and is_torch(path)
    options = {"activation": activation, "output_activation": output_activation}
    for option, value in options.items():
        if value is not None and not is_checkpoint:
            raise InputError(
                f"{option} is for PyTorch checkpoints, which do not hold it; got {name!r}"
            )


def _load(
    name: str,
    scale: int | None,
    upsampler: Layout | None,
    checkpoint: str | None,
    activation: Activation | None,
    output_activation: OutputActivation | None,
) -> TrainedNetwork:
    path = Path(name)
    if name in released_names():
        return load_released(name)
    if scales := released_scales(name):
        if scale in scales:
            return load_released(scales[scale])
        raise InputError(
            f"{name} is released for {', '.join(f'x{r}' for r in scales)}: name one of "
            f"{', '.join(scales.values())}"
        )
    if name.startswith(PREFIX):
        return replace(load_hub_folder(download(name)), name=name)
    if is_hub_folder(path):
        return load_hub_folder(path)
    if path.is_dir():
        return replace(_from_workdir(path, upsampler, checkpoint), name=name)
    if not path.is_file():
        raise InputError(
            f'there is no model {name!r}: it must be "{BICUBIC_NAME}", a released model\'s name, a '
            "workdir of train.py, a weights file, a PyTorch checkpoint or hf://OWNER/NAME; "
            + nearest_released(name)
        )
    if is_torch(path):
        return replace(_from_torch(path, scale, activation, output_activation), name=name)
    return replace(load_weights(path), name=name)


def _from_torch(
    path: Path,
    scale: int | None,
    activation: Activation | None,
    output_activation: OutputActivation | None,
) -> TrainedNetwork:
    checkpoint = read_checkpoint(path)
    if EXPORTED in checkpoint.texts:
        raise InputError(
            f"{path} was exported for PyTorch and is not read back: name the model that it was "
            "exported from, or export that as .safetensors"
        )
    try:
        config, params, notes = network_from_torch(
            checkpoint.tensors, scale, activation, output_activation
        )
    except InputError as error:
        known = ", ".join(each.about for each in KNOWN)
        raise InputError(f"{path} is not a network that is read ({known}): {error}") from None
    stated = ("activation", "output_activation")
    facts = {key: getattr(config, key) for key in stated if hasattr(config, key)}
    provenance = Provenance(name=path.resolve().stem)
    network = TrainedNetwork(str(path), provenance, config, "subpixel", params, facts, notes)
    check_params(network, str(path))
    return network


def _from_workdir(
    workdir: Path, upsampler: Layout | None, checkpoint: str | None
) -> TrainedNetwork:
    experiment = read_config(workdir)
    trained = experiment.upsamplers
    names: list[Layout] = [each for each in trained if upsampler is None or upsampler == each]
    if not names:
        raise InputError(
            f"workdir {workdir} has no upsampler {upsampler!r}: it trained {', '.join(trained)}"
        )
    name = names[0]
    weights = weights_file(workdir, name)
    if checkpoint is None and weights.exists():
        network, step = load_weights(weights), experiment.steps
    else:
        from subpixel.sr.training.checkpoints import restore  # loads Orbax

        run = restore(workdir, experiment, make_console(stderr=True), checkpoint or "last")
        if run is None:
            raise InputError(f"workdir {workdir} has neither weights nor a checkpoint yet")
        params, step = run.states[name].ema, run.step
        network = TrainedNetwork(str(workdir), Provenance(name=""), experiment.model, name, params)
    provenance = Provenance(
        name=workdir.resolve().stem, training_data=", ".join(experiment.data.train)
    )
    facts: dict[str, Any] = {"step": step}
    notes = ()
    if experiment.data.on_leak == "warn":
        facts["on_leak"] = "warn"
        notes = (
            f"{workdir} was trained with data.on_leak=warn: its training images may hold images of "
            "a benchmark, which its comparison.json names",
        )
    return replace(network, provenance=provenance, facts=facts, notes=notes)
