"""What `eval.py` does."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rich.console import Console

from subpixel.sr.commands.cli import EvalOptions
from subpixel.sr.data.sources import data_root, find_benchmarks
from subpixel.sr.errors import InputError
from subpixel.sr.evaluation.images import make_folders, save_error_map, save_output
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import Measured, Scores, evaluate
from subpixel.sr.evaluation.table import scores_table, worst_table, write_csv
from subpixel.sr.files import write_json
from subpixel.sr.inference.upscaler import NetworkUpscaler, Upscaler
from subpixel.sr.targets import load_target

PLAIN, ENSEMBLE = "model", "self_ensemble"


def measure(options: EvalOptions, console: Console) -> int:
    """Measures a target on benchmarks, shows the scores and leaves the files asked for.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if the target, a benchmark or a choice of the protocol cannot be used.
    """
    protocol = options.choose_protocol()
    for file in (options.json, options.csv):
        if file is not None and file.is_dir():
            raise InputError(f"figures cannot be written to {file}, which is a folder")
    # Low resolution that a set comes with is used, unless it is asked for what is made.
    wanted = None if options.lr_from in ("rgb", "luma") else options.scale
    benchmarks = find_benchmarks(
        options.benchmarks, data_root(options.data_root), wanted, protocol.degradation
    )
    target = load_target(
        options.target,
        options.scale,
        border=protocol.degradation.border,
        upsampler=options.upsampler,
        checkpoint=options.checkpoint,
        activation=options.activation,
        output_activation=options.output_activation,
    )
    for note in target.notes:
        console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)
    upscaler, about = target.upscaler, target.to_json()
    variants: dict[str, tuple[Upscaler, Protocol]] = {PLAIN: (upscaler, protocol)}
    if options.self_ensemble:
        if not isinstance(upscaler, NetworkUpscaler):
            raise InputError(
                "self_ensemble is for networks: bicubic treats flips and rotations alike"
            )
        variants[ENSEMBLE] = (
            replace(upscaler, self_ensemble=True),
            replace(protocol, self_ensemble=True),
        )
    for folder in (options.save_images, options.error_maps):
        if folder is not None:
            make_folders(folder, list(benchmarks))
    scores: dict[str, dict[str, Scores]] = {variant: {} for variant in variants}
    for name, images in benchmarks.items():
        for variant, (model, how) in variants.items():
            with console.status(f"measuring {name}"):
                observe = _observer(options, name, model)
                scores[variant][name] = evaluate({variant: model}, images, how, observe)[variant]
    _leave_files(options, about, variants, scores)
    _show(options, about, variants, scores, console)
    return 0


def _observer(
    options: EvalOptions, benchmark: str, upscaler: Upscaler
) -> Callable[[Measured], None]:
    def observe(measured: Measured) -> None:
        if options.save_images is not None:
            save_output(options.save_images, benchmark, measured, upscaler)
        if options.error_maps is not None:
            save_error_map(options.error_maps, benchmark, measured)

    return observe


def _leave_files(options: EvalOptions, about, variants, scores) -> None:
    def row(variant: str) -> dict[str, Any]:
        results = {name: result.to_json() for name, result in scores[variant].items()}
        return {"protocol": variants[variant][1].to_json(), "results": results}

    if options.json is not None:
        plain = row(PLAIN)
        values = {"protocol": plain["protocol"], "model": about, "results": plain["results"]}
        write_json(
            options.json, values | ({ENSEMBLE: row(ENSEMBLE)} if ENSEMBLE in variants else {})
        )
    if options.csv is not None:
        write_csv(options.csv, _rows(about, scores))


def _rows(about: dict[str, Any], scores: dict[str, dict[str, Scores]]):
    names = {PLAIN: about["name"], ENSEMBLE: f"{about['name']}, self-ensemble"}
    return {names[variant]: by_benchmark for variant, by_benchmark in scores.items()}


def _show(options: EvalOptions, about, variants, scores, console: Console) -> None:
    rows = _rows(about, scores)
    if options.worst:
        console.print(worst_table(rows, options.worst))
    for _, protocol in variants.values():
        console.print(protocol.describe(), soft_wrap=True)
    title = ", ".join(f"{key} {value}" for key, value in about.items() if key != "name")
    console.print(scores_table(title, rows, list(next(iter(rows.values())))))
