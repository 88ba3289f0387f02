"""The command `models hub`."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from subpixel.sr._support.console import make_console
from subpixel.sr.find import find_model
from subpixel.sr.hub import save_hub_folder


@dataclass(frozen=True)
class Options:
    """Writes a model as a folder in the layout of the Hugging Face Hub.

    `hf upload OWNER/NAME FOLDER`, of huggingface_hub, publishes the folder. Every command then
    takes the model as hf://OWNER/NAME.
    """

    model: tyro.conf.Positional[str]
    """Name of a released model, or a path: a workdir, which stands for its first upsampler, a
    weights file or a PyTorch checkpoint."""
    folder: tyro.conf.Positional[Path]
    """The folder to write, which must be new or empty."""


def run(options: Options) -> int:
    """Writes the folder and prints its files."""
    save_hub_folder(find_model(options.model), options.folder)
    console = make_console()
    for path in sorted(options.folder.iterdir()):
        console.print(f"{path}: {path.stat().st_size:,} bytes", highlight=False, soft_wrap=True)
    console.print(f"publish: hf upload OWNER/NAME {options.folder}", soft_wrap=True)
    return 0
