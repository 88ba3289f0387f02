"""Runs an experiment: data -> training -> speed and scores -> comparison -> page."""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from subpixel.sr._support.errors import InputError, NonFiniteError, UnfinishedError
from subpixel.sr._support.files import write_json, write_text
from subpixel.sr.comparison.compare import compare, cost_table, measure_conversion
from subpixel.sr.comparison.result import FILE_NAME
from subpixel.sr.comparison.speed import FAST, NATIVE, measure_speed, with_fast_upsampler
from subpixel.sr.config import Experiment
from subpixel.sr.data.training_set import TrainingSet, load_training_set
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import evaluate, protocol_as_measured
from subpixel.sr.evaluation.table import scores_table
from subpixel.sr.find import find_start
from subpixel.sr.inference.upscaler import BicubicUpscaler, NetworkUpscaler, Upscaler
from subpixel.sr.models.weights import save_weights
from subpixel.sr.report.images import select_images
from subpixel.sr.report.page import write_report
from subpixel.sr.report.text import conversion_sentence
from subpixel.sr.training.loop import Trained, train
from subpixel.sr.training.parallel import first_before_others, is_first, run_platform
from subpixel.sr.training.records import read_records
from subpixel.sr.training.state import check_warm_start
from subpixel.sr.training.step import check_batch
from subpixel.sr.workdir import check_workdir, claim_workdir, weights_file


def run(
    experiment: Experiment,
    workdir: Path,
    root: Path | None,
    console: Console,
    profile: bool = False,
) -> int:
    """Trains, measures and compares; the same call on the same workdir resumes.

    The workdir is made after everything else is checked.

    Returns:
      The exit code of the command: 0, or 128 plus the signal that stopped the training.

    Raises:
      InputError: if the images, the workdir or the config cannot be used.
      NonFiniteError: if the loss, a gradient or an output image is not finite.
      UnfinishedError: if the training ended well, but a measurement failed.
      OSError: if a file cannot be written.
    """
    model, data = experiment.model, experiment.data
    check_batch(experiment, jax.device_count(), run_platform())
    start_from = find_start(experiment)
    if start_from is not None:
        check_warm_start(model, start_from)
    check_workdir(workdir, experiment)
    with first_before_others(), console.status("preparing images") as status:
        images = load_training_set(
            model,
            data,
            root,
            workdir=workdir,
            progress=lambda done, total: status.update(f"preparing images: {done} of {total}"),
        )
    console.print(
        f"{experiment.name}: {len(images.pairs)} images to train on, {len(images.validation)} held "
        "out for validation, "
        + ", ".join(f"{name} {len(pairs)}" for name, pairs in images.benchmarks.items())
    )
    for note in images.notes:
        console.print(note, soft_wrap=True, markup=False, highlight=False)
    if is_first():
        claim_workdir(workdir, experiment)
        images.record(workdir)
    traces = workdir / "profile" if profile else None
    trained = train(
        experiment, start_from, images.pairs, images.validation, workdir, console, traces
    )
    if trained.signal is not None:
        console.print(
            f"stopped at step {trained.run.step} of {experiment.steps}, which is saved in "
            f"{workdir}: the same command resumes from there",
            soft_wrap=True,
        )
        return 128 + trained.signal
    if is_first():
        with _finishing(workdir):
            _write_results(experiment, trained, images, workdir, console)
    return 0


def _write_results(
    experiment: Experiment,
    trained: Trained,
    images: TrainingSet,
    workdir: Path,
    console: Console,
) -> None:
    """Weights -> speed -> scores -> comparison -> page."""
    model, data = experiment.model, experiment.data
    for name in experiment.upsamplers:
        save_weights(weights_file(workdir, name), trained.params[name], model, name)
    # JAX refuses to run compiled programs under JAX_DISABLE_JIT, and only those are measured.
    with console.status("measuring speed"), jax.disable_jit(False):
        costs = measure_speed(experiment, trained.steps)
    protocol = Protocol(model.scale, degradation=data.degradation)
    networks = _networks(trained)
    upscalers: dict[str, Upscaler] = {"bicubic": BicubicUpscaler(model.scale), **networks}
    scores = {}
    for benchmark, pairs in images.benchmarks.items():
        with console.status(f"measuring {benchmark}"):
            scores[benchmark] = evaluate(upscalers, pairs, protocol)
    conversions = {}
    with console.status("converting between layouts"):
        # One benchmark shows it, and two more measurements of each would be long on several.
        for benchmark, pairs in list(images.benchmarks.items())[:1]:
            for name in experiment.upsamplers:
                conversions[name] = measure_conversion(
                    networks[name], name, scores[benchmark][name], benchmark, pairs, protocol
                )
    protocol, line = protocol_as_measured(
        protocol, {name: by_model["bicubic"] for name, by_model in scores.items()}
    )
    settings = _settings(experiment, images.to_json(), trained.run.seconds)
    comparison = compare(experiment.name, protocol, scores, costs, settings, line, conversions)
    write_json(workdir / FILE_NAME, comparison.to_json())
    first, page = experiment.upsamplers[0], workdir / "report.html"
    shown = {name: upscalers[name] for name in ("bicubic", *experiment.upsamplers)}
    write_report(
        page,
        comparison,
        [
            record
            for record in read_records(workdir / "metrics.jsonl", console)
            if record.get("validation_psnr") is not None
        ],
        list(select_images(shown, images.benchmarks, scores, first, protocol)),
    )
    rows = {name: {b: scores[b][name] for b in scores} for name in upscalers}
    console.print(line)
    console.print(scores_table(experiment.name, rows, list(scores)))
    console.print(conversion_sentence(comparison), soft_wrap=True)
    console.print(cost_table(costs))
    console.print(f"page: {page}", soft_wrap=True)


def _networks(trained: Trained) -> dict[str, NetworkUpscaler]:
    """Returns the trained networks, and the one with the fast form of "conv_transpose"."""
    networks: dict[str, NetworkUpscaler] = {}
    for name, graph in trained.graphs.items():
        params = trained.params[name]
        networks[name] = NetworkUpscaler(graph, params)
        if name == NATIVE:
            networks[FAST] = NetworkUpscaler(with_fast_upsampler(graph, params), params)
    return networks


def _settings(
    experiment: Experiment, images: Mapping[str, Any], train_seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Returns the settings of a training as comparison.json and the page have them."""
    data, optimizer = experiment.data, experiment.optimizer
    return {
        "steps": experiment.steps,
        "seed": experiment.seed,
        "training_data": ", ".join(data.train),
        **images,
        "batch_size": data.batch_size,
        "patch_size": data.patch_size,
        "learning_rate": optimizer.learning_rate,
        "loss": optimizer.loss,
        "ema_decay": optimizer.ema_decay,
        "train_seconds": train_seconds,
    }


@contextmanager
def _finishing(workdir: Path) -> Iterator[None]:
    """Reports in one line that something after a training failed, and how to repeat it.

    Raises:
      UnfinishedError: in place of an exception that is a defect. Its traceback is written to
        `workdir/traceback.txt`.
    """
    try:
        yield
    except (InputError, NonFiniteError, OSError):
        raise
    except Exception as error:
        where = workdir / "traceback.txt"
        with suppress(OSError):
            write_text(where, traceback.format_exc())
        raise UnfinishedError(
            f"the training is finished and saved in {workdir}, but its results are not complete: "
            f"{type(error).__name__}: {error} (traceback: {where}). The same command repeats only "
            "the measurements"
        ) from error
