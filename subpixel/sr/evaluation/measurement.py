"""The measurement of one model on benchmarks: scores with and without self-ensemble, and files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_json
from subpixel.sr.data.pairs import Pair
from subpixel.sr.evaluation.images import make_folders, save_error_map, save_output
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import Measured, Scores, evaluate, protocol_as_measured
from subpixel.sr.evaluation.table import scores_table, worst_table, write_csv
from subpixel.sr.inference.upscaler import NetworkUpscaler, Upscaler

# The keys of the two measurements in the JSON file; the name of the first is also left out of the
# names of saved images.
PLAIN, ENSEMBLE = "model", "self_ensemble"


@dataclass(frozen=True)
class Measurement:
    """Scores of one model by one protocol.

    Attributes:
      protocol: how the scores were asked for.
      scores: by benchmark.
    """

    protocol: Protocol
    scores: dict[str, Scores] = field(default_factory=dict)

    def describe(self) -> str:
        """Returns the protocol in one line, with where the LR images come from."""
        return protocol_as_measured(self.protocol, self.scores)[1]

    def to_json(self) -> dict[str, Any]:
        """Returns the protocol and the results by benchmark."""
        protocol, line = protocol_as_measured(self.protocol, self.scores)
        results = {name: result.to_json() for name, result in self.scores.items()}
        return {"protocol": protocol.to_json(line), "results": results}


def measure_model(
    upscaler: Upscaler,
    benchmarks: Mapping[str, Sequence[Pair]],
    protocol: Protocol,
    console: Console,
    *,
    self_ensemble: bool = False,
    images: Path | None = None,
    error_maps: Path | None = None,
) -> dict[str, Measurement]:
    """Measures a model on benchmarks.

    Args:
      upscaler: the model.
      benchmarks: images by benchmark.
      protocol: how.
      console: where progress is shown.
      self_ensemble: whether the mean over eight flips and rotations is measured too.
      images: folder for the enlarged images, or None.
      error_maps: folder for images of the error, or None.

    Returns:
      The measurement "model", and "self_ensemble" if it is wanted.

    Raises:
      InputError: if an image cannot be measured, a file is where a folder must be, or the model is
        no network and self-ensemble is wanted.
    """
    upscalers = {PLAIN: upscaler}
    measured = {PLAIN: Measurement(protocol)}
    if self_ensemble:
        if not isinstance(upscaler, NetworkUpscaler):
            raise InputError(
                "self_ensemble is for networks: bicubic treats flips and rotations alike"
            )
        upscalers[ENSEMBLE] = replace(upscaler, self_ensemble=True)
        measured[ENSEMBLE] = Measurement(replace(protocol, self_ensemble=True))
    for folder in (images, error_maps):
        if folder is not None:
            make_folders(folder, list(benchmarks))
    for benchmark, originals in benchmarks.items():
        for variant, model in upscalers.items():
            with console.status(f"measuring {benchmark}"):
                observe = _observer(benchmark, model, images, error_maps)
                how = measured[variant].protocol
                found = evaluate({variant: model}, originals, how, observe)
                measured[variant].scores[benchmark] = found[variant]
    return measured


def _observer(
    benchmark: str, upscaler: Upscaler, images: Path | None, error_maps: Path | None
) -> Callable[[Measured], None]:
    def observe(measured: Measured) -> None:
        if images is not None:
            save_output(images, benchmark, measured, upscaler)
        if error_maps is not None:
            save_error_map(error_maps, benchmark, measured)

    return observe


def write_measurement(
    measured: Mapping[str, Measurement],
    about: Mapping[str, Any],
    *,
    json: Path | None = None,
    csv: Path | None = None,
) -> None:
    """Writes the scores of a model.

    Args:
      measured: as from `measure_model`.
      about: the model's name and what else is known of it, for the JSON file.
      json: file for the scores with their protocol, or None.
      csv: file with a line for each image, or None.
    """
    if json is not None:
        plain = measured[PLAIN].to_json()
        values = {"protocol": plain["protocol"], "model": about, "results": plain["results"]}
        others = {key: found.to_json() for key, found in measured.items() if key != PLAIN}
        write_json(json, values | others)
    if csv is not None:
        write_csv(csv, _rows(measured, about["name"]))


def show_measurement(
    measured: Mapping[str, Measurement], about: Mapping[str, Any], console: Console, worst: int = 0
) -> None:
    """Prints the scores of a model, their protocol, and the images with the lowest PSNR.

    Args:
      measured: as from `measure_model`.
      about: the model's name and what else is known of it.
      console: where to print.
      worst: the number of images with the lowest PSNR of each benchmark to list.
    """
    rows = _rows(measured, about["name"])
    if worst:
        console.print(worst_table(rows, worst))
    for found in measured.values():
        console.print(found.describe(), soft_wrap=True)
    title = ", ".join(f"{key} {value}" for key, value in about.items() if key != "name")
    console.print(scores_table(title, rows, list(measured[PLAIN].scores)))


def _rows(measured: Mapping[str, Measurement], name: str) -> dict[str, dict[str, Scores]]:
    """Returns the rows of a table."""
    names = {PLAIN: name, ENSEMBLE: f"{name}, self-ensemble"}
    return {names[variant]: found.scores for variant, found in measured.items()}
