"""Finds the model that a user names: bicubic, a released model, a workdir, or a file."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from subpixel.image import Border
from subpixel.kernels import LAYOUTS, Layout
from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.config import Experiment
from subpixel.sr.export.formats import Source
from subpixel.sr.export.provenance import Provenance
from subpixel.sr.export.runtime import UNKNOWN
from subpixel.sr.export.torch_layouts import read_exported
from subpixel.sr.inference.bicubic import BICUBIC_NAME
from subpixel.sr.inference.upscaler import BicubicUpscaler, NetworkUpscaler, Upscaler
from subpixel.sr.models.base import Network
from subpixel.sr.models.released import is_released, load_named, nearest_released, read_release
from subpixel.sr.models.torch_chain import TorchChoices
from subpixel.sr.models.torch_files import is_torch
from subpixel.sr.models.torch_import import load_torch
from subpixel.sr.models.trained import TrainedNetwork, check_params
from subpixel.sr.models.weights import load_weights
from subpixel.sr.training.checkpoints import restore
from subpixel.sr.training.state import start_training
from subpixel.sr.workdir import read_config, weights_file


@dataclass(frozen=True)
class Target:
    """A model to measure or to use.

    Attributes:
      name: as the user gave it.
      upscaler: enlarges images.
      facts: network, upsampler, scale and number of parameters, for JSON.
      notes: notes for the user, one line each.
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
    *,
    border: Border = "symmetric",
    upsampler: str | None = None,
    checkpoint: str | None = None,
    activation: Activation | None = None,
    output_activation: OutputActivation | None = None,
) -> Target:
    """Returns the model of a name for a scale.

    Args:
      target: "bicubic", or as in `load_trained`.
      scale: the scale that is wanted.
      border: of bicubic enlargement.
      upsampler: as in `load_trained`.
      checkpoint: as in `load_trained`.
      activation: as in `load_trained`.
      output_activation: as in `load_trained`.

    Raises:
      InputError: if there is no such target, it cannot be read, or it has another scale.
    """
    choices = TorchChoices(scale, activation, output_activation)
    if target == BICUBIC_NAME:
        check_choices(target, checkpoint, activation, output_activation)
        return Target(BICUBIC_NAME, BicubicUpscaler(scale, border))
    network = _load(target, upsampler, checkpoint, choices)
    if network.config.scale != scale:
        raise InputError(
            f"{target} enlarges x{network.config.scale}, but the scale asked for is x{scale}"
        )
    upscaler = NetworkUpscaler(network.graph, network.params)
    return Target(target, upscaler, network.to_json(), network.notes)


def load_trained(
    target: str,
    scale: int | None = None,
    *,
    upsampler: str | None = None,
    checkpoint: str | None = None,
    activation: Activation | None = None,
    output_activation: OutputActivation | None = None,
) -> TrainedNetwork:
    """Returns the trained network of a name.

    Args:
      target: a released model's name, a workdir, a weights file, or a PyTorch checkpoint. The name
        of a released model comes before a path, which ./NAME names. The content of a file decides
        what it is, not its suffix.
      scale: of a PyTorch checkpoint that ends in a transposed convolution, which fits every scale.
      upsampler: which upsampler of a workdir (default: the first of its config).
      checkpoint: which checkpoint of a workdir: "best", "last" or a step (default: the weights
        that the run ended with).
      activation: after the hidden layers of a PyTorch checkpoint, which does not state it
        (default: that of the network's paper).
      output_activation: at the end of a PyTorch checkpoint, which does not state it (default:
        "none").

    Raises:
      InputError: if there is no such target, it cannot be read, or an option does not apply to it.
    """
    return _load(target, upsampler, checkpoint, TorchChoices(scale, activation, output_activation))


def load(target: str) -> Network:
    """Returns a trained network, an `nnx.Module`, which can be called and trained on.

    It is called on images (n, h, w, channels) in 0..1 and returns (n, r*h, r*w, channels), not
    clipped. A network of one channel takes luma: BT.601 studio range, Y/255. Every layer behaves
    alike in training and in evaluation.

    Args:
      target: as in `load_trained`.

    Raises:
      InputError: if there is no such model, or it cannot be read.

    Example:
      >>> import jax.numpy as jnp
      >>> network = load("espcn_x3")
      >>> network(jnp.zeros((1, 20, 30, 1))).shape
      (1, 60, 90, 1)
    """
    return load_trained(target).build()


def as_source(trained: TrainedNetwork, target: str) -> Source:
    """Returns a trained network with what is known about its weights, for an export.

    Args:
      trained: the network.
      target: its name, as in `load_trained`.

    Raises:
      InputError: if the config of a workdir, or the facts of a released model, cannot be read.
    """
    provenance = _provenance(target)
    return Source(trained.config, trained.upsampler, trained.params, provenance)


def _provenance(target: str) -> Provenance:
    path = Path(target)
    if is_released(target):
        release = read_release(target)
        return Provenance(
            name=release.name,
            version=f"sha256:{release.sha256}",
            license=release.license,
            training_data=", ".join(release.training_data),
        )
    data = ", ".join(read_config(path).data.train) if path.is_dir() else UNKNOWN
    return Provenance(name=path.resolve().stem, training_data=data)


def _load(
    target: str, upsampler: str | None, checkpoint: str | None, choices: TorchChoices
) -> TrainedNetwork:
    path = Path(target)
    check_choices(target, checkpoint, choices.activation, choices.output_activation)
    if is_released(target):
        return load_named(target)
    if path.is_dir():
        return _from_workdir(path, upsampler, checkpoint)
    if not path.is_file():
        raise InputError(
            f'there is no target {target!r}: it must be "{BICUBIC_NAME}", a released model\'s '
            "name, a workdir of train.py, a weights file or a PyTorch checkpoint; "
            + nearest_released(target)
        )
    return _from_torch(path, choices) if is_torch(path) else load_named(target)


def check_choices(
    target: str,
    checkpoint: str | None = None,
    activation: Activation | None = None,
    output_activation: OutputActivation | None = None,
) -> None:
    """Checks the options of `load_trained` against the kind of a target.

    Raises:
      InputError: if an option is given and does not apply to the target.
    """
    path, named = Path(target), is_released(target)
    if checkpoint is not None and (named or not path.is_dir()):
        raise InputError(f"only a workdir of train.py has checkpoints; {target} is not one")
    is_checkpoint = not named and path.is_file() and is_torch(path)
    options = {"activation": activation, "output_activation": output_activation}
    for option, value in options.items():
        if value is not None and not is_checkpoint:
            raise InputError(
                f"{option} is for PyTorch checkpoints, which do not hold it; got {target!r}"
            )


def _from_torch(path: Path, choices: TorchChoices) -> TrainedNetwork:
    exported = read_exported(path)
    if exported is None:
        return load_torch(path, choices)
    if (choices.activation, choices.output_activation) != (None, None):
        raise InputError(
            f"{path} was exported by this project and states its activations: leave out "
            "activation and output_activation"
        )
    network = TrainedNetwork(*exported)
    check_params(network, str(path))
    return network


def _from_workdir(workdir: Path, upsampler: str | None, checkpoint: str | None) -> TrainedNetwork:
    experiment = read_config(workdir)
    name = _choose(experiment, workdir, upsampler)
    weights = weights_file(workdir, name)
    facts, notes = {}, ()
    if experiment.data.on_leak == "warn":
        facts = {"on_leak": "warn"}
        notes = (
            f"{workdir} was trained with data.on_leak=warn: its training images may hold images of "
            "a benchmark, which its comparison.json names",
        )
    if checkpoint is None and weights.exists():
        facts = {"step": experiment.steps, **facts}
        return replace(load_weights(weights), facts=facts, notes=notes)
    graphs, states = {}, {}
    for each in experiment.upsamplers:
        _, graphs[each], states[each] = start_training(
            experiment.model, experiment.optimizer, experiment.steps, each, experiment.seed
        )
    run = restore(workdir, experiment, states, make_console(stderr=True), checkpoint or "last")
    if run is None:
        raise InputError(f"workdir {workdir} has neither weights nor a checkpoint yet")
    params = run.states[name].ema
    facts = {"step": run.step, **facts}
    return TrainedNetwork(experiment.model, name, params, facts, notes)


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
