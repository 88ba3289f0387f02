"""The command `bench training`."""

from dataclasses import dataclass
from pathlib import Path

from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs, write_json
from subpixel.sr.bench import report, training
from subpixel.sr.bench.inference import NetworkName
from subpixel.sr.models.base import Dtype
from subpixel.sr.training.config import CpuConvolutions


@dataclass(frozen=True)
class Options:
    """Measures the training step, ours and PyTorch's side by side, and the input pipeline."""

    networks: tuple[NetworkName, ...] = ("espcn",)
    """Networks to measure."""
    rounds: int = 30
    """Timed rounds of five steps of each."""
    torch: bool = True
    """Measures PyTorch too, if it is installed."""
    torch_compile: bool = False
    """Measures torch.compile too; each batch takes some seconds to compile."""
    dtype: Dtype = "float32"
    """Data type of our layers."""
    accumulation: int | None = None
    """Number of parts in which our step differentiates a batch (default: that of train.py)."""
    cpu_convolutions: CpuConvolutions = "default"
    """Library of our convolutions on a CPU, as in the config."""
    json: Path | None = None
    """File for all results and the environment."""

    def __post_init__(self):
        if self.rounds < 1:
            raise InputError(f"rounds must be at least 1; got {self.rounds}")


def run(options: Options) -> int:
    """Measures, prints the table and writes the file that is asked for."""
    check_outputs(options.json)
    console = make_console()
    results = training.measure_training(
        networks=options.networks,
        rounds=options.rounds,
        torch=options.torch,
        torch_compile=options.torch_compile,
        dtype=options.dtype,
        accumulation=options.accumulation,
        cpu_convolutions=options.cpu_convolutions,
        progress=lambda name: console.print(f"measuring {name}", style="dim"),
    )
    report.show_training(results, console)
    if options.json is not None:
        write_json(options.json, results)
    return 0
