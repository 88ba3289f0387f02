"""The measurement of one model on benchmarks: scores with and without self-ensemble, and files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import make_folder, write_json
from subpixel.sr.data.pairs import Pair
from subpixel.sr.evaluation.images import image_folder, save_images
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import Scores, evaluate, protocol_as_measured
from subpixel.sr.evaluation.table import scores_table, worst_table, write_csv
from subpixel.sr.inference.upscaler import NetworkUpscaler, Upscaler


@dataclass(frozen=True)
class Measurement:
    """Scores of one model by one protocol.

    Attributes:
      label: the row's name is that of the model with this text after it.
      upscaler: the model.
      protocol: how the scores were asked for.
      scores: by benchmark.
    """

    label: str
    upscaler: Upscaler
    protocol: Protocol
    scores: dict[str, Scores] = field(default_factory=dict)

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
) -> list[Measurement]:
    """Measures a model on benchmarks.

    Returns:
      The measurement of the model, and a second one with self-ensemble if it is wanted.

    Raises:
      InputError: if an image cannot be measured, a file is where a folder must be, or the model is
        no network and self-ensemble is wanted.
    """
    measured = [Measurement("", upscaler, protocol)]
    if self_ensemble:
        if not isinstance(upscaler, NetworkUpscaler):
            raise InputError(
                "self_ensemble is for networks: bicubic treats flips and rotations alike"
            )
        mean, by_mean = replace(upscaler, self_ensemble=True), replace(protocol, self_ensemble=True)
        measured.append(Measurement(", self-ensemble", mean, by_mean))
    for folder in filter(None, (images, error_maps)):
        for benchmark in benchmarks:
            make_folder(image_folder(folder, benchmark))
    for benchmark, originals in benchmarks.items():
        for each in measured:
            with console.status(f"measuring {benchmark}"):
                suffix = "_self_ensemble" if each.protocol.self_ensemble else ""
                observe = partial(save_images, images, error_maps, benchmark, suffix, each.upscaler)
                found = evaluate({"": each.upscaler}, originals, each.protocol, observe)
                each.scores[benchmark] = found[""]
    return measured


def write_measurement(
    measured: Sequence[Measurement],
    about: Mapping[str, Any],
    *,
    json: Path | None = None,
    csv: Path | None = None,
) -> None:
    """Writes the scores of a model."""
    if json is not None:
        protocol, results = measured[0].to_json().values()
        values = {"protocol": protocol, "model": about, "results": results}
        for ensemble in measured[1:]:
            values["self_ensemble"] = ensemble.to_json()
        write_json(json, values)
    if csv is not None:
        write_csv(csv, _rows(measured, about))


def show_measurement(
    measured: Sequence[Measurement], about: Mapping[str, Any], console: Console, worst: int = 0
) -> None:
    """Prints the scores of a model, their protocol, and the images with the lowest PSNR."""
    rows = _rows(measured, about)
    if worst:
        console.print(worst_table(rows, worst))
    for found in measured:
        console.print(protocol_as_measured(found.protocol, found.scores)[1], soft_wrap=True)
    title = ", ".join(f"{key} {value}" for key, value in about.items() if key != "name")
    console.print(scores_table(title, rows, list(measured[0].scores)))


def _rows(
    measured: Sequence[Measurement], about: Mapping[str, Any]
) -> dict[str, dict[str, Scores]]:
    return {about["name"] + found.label: found.scores for found in measured}
