"""Reads PyTorch checkpoints as networks of this project, through what the networks declare."""

from pathlib import Path
from typing import get_args

from subpixel.sr._support.errors import InputError
from subpixel.sr.models import ModelConfig
from subpixel.sr.models.torch_chain import TorchChoices, read_chain
from subpixel.sr.models.torch_files import read_checkpoint
from subpixel.sr.models.trained import TrainedNetwork, check_params


def load_torch(path: Path, choices: TorchChoices) -> TrainedNetwork:
    """Returns the network of a PyTorch checkpoint.

    Args:
      path: as in `read_checkpoint`.
      choices: what the file does not state.

    Raises:
      InputError: if the file cannot be read, its layers are those of no network here, or a choice
        does not fit them.
    """
    checkpoint = read_checkpoint(path)
    kinds = get_args(ModelConfig)
    known = ", ".join(kind.reads for kind in kinds if kind.reads)
    try:
        chain = read_chain(checkpoint.tensors)
        matches = [
            match for kind in kinds if (match := kind.from_torch(chain, choices)) is not None
        ]
    except InputError as error:
        raise InputError(f"{path} is not a network that is read ({known}): {error}") from None
    if not matches:
        layers = ", ".join(f"{c.name} {c.weight.shape}" for c in (*chain.hidden, chain.head))
        raise InputError(
            f"{path} is not a network that is read ({known}): its {len(chain.hidden) + 1} "
            f"convolutions are {layers}"
        )
    match = max(matches, key=lambda match: match.named)
    notes = list(match.notes)
    if chain.ignored:
        notes.append(f"tensors of no layer are left out: {', '.join(chain.ignored)}")
    facts = {
        name: value
        for name in ("activation", "output_activation")
        if (value := getattr(match.config, name, None)) is not None
    }
    network = TrainedNetwork(match.config, "subpixel", match.params, facts, tuple(notes))
    check_params(network, str(path))
    return network
