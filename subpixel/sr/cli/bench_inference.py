"""The command `bench inference`."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from subpixel.kernels import LAYOUTS, Layout
from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_outputs, write_json
from subpixel.sr.bench import inference, report
from subpixel.sr.bench.inference import NetworkName


@dataclass(frozen=True)
class Options:
    """Measures inference on one luma image: ours, PyTorch and ONNX Runtime, side by side."""

    networks: tuple[NetworkName, ...] = get_args(NetworkName)
    """Networks to measure."""
    upsamplers: tuple[Layout, ...] = LAYOUTS
    """Upsamplers of each network."""
    scale: int = 3
    """Scale factor of the networks."""
    height: int = 360
    """Height of the LR image, in pixels."""
    width: int = 640
    """Width of the LR image, in pixels."""
    rounds: int = 9
    """Number of timed calls of each contender."""
    torch: bool = True
    """Measures PyTorch too, if it is installed."""
    torch_compile: bool = True
    """Measures torch.compile too; each network takes some seconds to compile."""
    onnx: bool = True
    """Measures ONNX Runtime too, if it is installed."""
    json: Path | None = None
    """File for all results and the environment."""

    def __post_init__(self):
        if self.rounds < 1:
            raise InputError(f"rounds must be at least 1; got {self.rounds}")
        if min(self.height, self.width) < 1:
            raise InputError(
                f"height and width must be at least 1; got {self.height} and {self.width}"
            )
        if not self.networks or not self.upsamplers:
            raise InputError("networks and upsamplers must each name at least one")


def run(options: Options) -> int:
    """Measures, prints the table and writes the file that is asked for."""
    check_outputs(options.json)
    console = make_console()
    results = inference.measure(
        options.networks,
        options.upsamplers,
        scale=options.scale,
        height=options.height,
        width=options.width,
        rounds=options.rounds,
        torch=options.torch,
        torch_compile=options.torch_compile,
        onnx=options.onnx,
        progress=lambda name: console.print(f"measuring {name}", style="dim"),
    )
    report.show_inference(results, console)
    if options.json is not None:
        write_json(options.json, results)
    return 0
