"""Builds the folder of the page that enlarges images in the browser.

The folder is complete: any web server can serve it, and the page loads nothing from elsewhere.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from subpixel import __version__
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_folder, dump_json, write_bytes
from subpixel.sr.demo.runtime import runtime_files
from subpixel.sr.export.formats import Choices, onnx_bytes
from subpixel.sr.models.trained import TrainedNetwork

PAGE = Path(__file__).parent / "page"
MODELS = "models.json"


def build_demo(
    models: Sequence[TrainedNetwork],
    output: Path,
    runtime: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> int:
    """Writes the page, the models in ONNX and ONNX Runtime Web into a folder.

    The first model is the page's default. The folder must be new, empty, or an earlier demo.

    Returns:
      Size of the folder in bytes.

    Raises:
      InputError: if two models have the same name, the folder holds something else, or ONNX
        Runtime Web cannot be loaded.
      RuntimeError: if an exported model computes another function than its network.
    """
    _check_output(output)
    names = [model.provenance.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two models have the name {name!r}: give each of them once")
    if not models:
        raise InputError("name at least one model")
    tell("reading ONNX Runtime Web" if runtime else "downloading ONNX Runtime Web with npm")
    # Every server knows the type of a .js file; some send .mjs as one that no browser runs.
    files = {
        f"ort/{name.replace('.mjs', '.js')}": content
        for name, content in runtime_files(runtime).items()
    }
    files |= {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    files |= _model_files(models, tell)
    for stale in (*output.glob("models/*.onnx"), *output.glob("ort/*.mjs")):
        if stale.relative_to(output).as_posix() not in files:
            stale.unlink()
    for name, content in files.items():
        write_bytes(output / name, content)
    return sum(map(len, files.values()))


def _check_output(output: Path) -> None:
    check_folder(output)
    if output.is_dir() and any(output.iterdir()) and not (output / MODELS).is_file():
        raise InputError(f"{output} holds other files: name a new folder, or an earlier demo")


def _model_files(models: Sequence[TrainedNetwork], tell: Callable[[str], None]) -> dict[str, bytes]:
    files, entries = {}, []
    for number, model in enumerate(models, start=1):
        name = model.provenance.name
        tell(f"exporting {name} and comparing it with the network ({number} of {len(models)})")
        content, _ = onnx_bytes(model, Choices())
        file = f"models/{name}.onnx"
        files[file] = content
        entries.append(
            {
                "name": name,
                "file": file,
                "scale": model.config.scale,
                "channels": model.config.channels,
                "radius": model.shapes.radius,
            }
        )
    facts = {"software": f"subpixel {__version__}", "models": entries}
    return {**files, MODELS: dump_json(facts, indent=2).encode()}
