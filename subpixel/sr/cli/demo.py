"""The command `demo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from subpixel.sr._support.console import make_console
from subpixel.sr.demo.build import build_demo
from subpixel.sr.find import find_model

# ESPCN first, as in `upscale`; the plain networks are more exact.
DEFAULT_MODELS = tuple(f"{name}_x{r}" for name in ("espcn", "plain_10x18") for r in (3, 2, 4))


@dataclass(frozen=True)
class Options:
    """Builds the folder of a page that enlarges images in the browser: docs/enlarge.md."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The folder. It must be new, empty, or an earlier demo."""
    models: tuple[str, ...] = DEFAULT_MODELS
    """Released models, workdirs, weights files or PyTorch checkpoints. The page begins with the
    first."""
    runtime: Path | None = None
    """A folder or npm archive with ONNX Runtime Web (default: npm downloads it)."""


def run(options: Options) -> int:
    """Builds the folder and prints how to open the page."""
    console = make_console(stderr=True)
    with console.status("reading the models") as status:
        models = [find_model(name) for name in options.models]
        size = build_demo(models, options.output, options.runtime, status.update)
    print(f"{options.output}: {size / 1e6:.1f} MB, {len(models)} models")
    print(f"python -m http.server --directory {options.output} shows it at http://localhost:8000")
    return 0
