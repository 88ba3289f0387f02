"""Adds a finished training to the released models of this checkout, for maintainers.

python research/release.py runs/espcn_x3 --name=espcn_x3

The benchmarks of the workdir's config are measured again. Weights, facts and a model card are
written into subpixel/sr/released.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from release_card import PACKAGES, render_card
from rich.console import Console

from subpixel.kernels import Layout
from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_json, write_text
from subpixel.sr.cli._run import run_command
from subpixel.sr.comparison.result import FILE_NAME, Comparison, read_comparison
from subpixel.sr.config import Experiment
from subpixel.sr.data.pairs import Pair, data_root, find_benchmarks
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import Scores, evaluate
from subpixel.sr.find import find_model
from subpixel.sr.inference.bicubic import BICUBIC_NAME
from subpixel.sr.inference.upscaler import BicubicUpscaler
from subpixel.sr.models.released import MeanScores, Release, released_files, split_name
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.models.weights import save_weights
from subpixel.sr.serialization import to_json
from subpixel.sr.workdir import read_config, weights_file

LICENSE = "Apache-2.0"
# Facts of a training on the card, from its comparison.json.
SETTINGS = ("seed", "training_images", "validation_images")
ENVIRONMENT = (*PACKAGES, "processor", "cores", "backend")
# Scores of the same weights differ by this much between machines, because of rounding to 8 bits.
TOLERANCE_DB = 0.002


@dataclass(frozen=True)
class Options:
    """Adds a finished training to the released models of this checkout."""

    workdir: tyro.conf.Positional[Path]
    """Workdir of a finished training."""
    name: str
    """Name of the released model: FAMILY_xSCALE, such as espcn_x3."""
    upsampler: Layout | None = None
    """Which upsampler of the workdir (default: the first of its config)."""
    overwrite: bool = False
    """Replaces a released model of this name."""
    data_root: Path | None = None
    """Folder of the data sets (default: the environment variable SUBPIXEL_DATA)."""


def make_release(
    workdir: Path,
    name: str,
    root: Path | None,
    console: Console,
    *,
    upsampler: Layout | None = None,
    overwrite: bool = False,
) -> Release:
    """Writes weights, facts and card of a released model into the package.

    The benchmarks of the workdir's config are measured again, and the scores must be those of its
    comparison.json.

    Args:
      workdir: of a finished training.
      name: of the released model, FAMILY_xSCALE.
      root: folder of the data sets, or None.
      console: where progress is shown.
      upsampler: which upsampler of the workdir (default: the first of its config).
      overwrite: whether a released model of this name is replaced.

    Raises:
      InputError: if the name does not fit, the workdir is not finished, a benchmark is not found,
        or the scores are not those of comparison.json.
      OSError: if a file cannot be written.
    """
    experiment = read_config(workdir)
    layout = upsampler or experiment.upsamplers[0]
    weights, facts, card = released_files(name)
    _check_name(name, experiment.model.scale)
    if facts.exists() and not overwrite:
        raise InputError(f"there is a released model {name}: give another name, or --overwrite")
    comparison = _read_comparison(workdir, layout)
    if not weights_file(workdir, layout).is_file():
        raise InputError(f"workdir {workdir} has no weights of the upsampler {layout!r}")
    network = find_model(str(workdir), upsampler=layout)
    protocol = Protocol(experiment.model.scale, degradation=experiment.data.degradation)
    scores = _measure(network, experiment, protocol, root, console)
    _compare(scores["network"], comparison, layout, workdir)
    save_weights(weights, network.params, network.config, network.upsampler)
    release = Release(
        name=name,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        license=LICENSE,
        upsampler=network.upsampler,
        parameters=network.parameters,
        model=network.config,
        protocol=protocol.to_json(),
        scores=_means(scores["network"]),
        bicubic=_means(scores[BICUBIC_NAME]),
        training_data=experiment.data.train,
        experiment=to_json(experiment),
        settings=dict(comparison.settings),
        environment=dict(comparison.environment),
    )
    write_text(card, render_card(release))
    # A released model exists once its facts exist, so they are written last.
    write_json(facts, to_json(release))
    return release


def _check_name(name: str, scale: int) -> None:
    _, named = split_name(name)
    if named != scale:
        raise InputError(
            f"the network enlarges x{scale}, so its name must end in _x{scale}; got {name!r}"
        )


def _read_comparison(workdir: Path, layout: str) -> Comparison:
    path = workdir / FILE_NAME
    if not path.exists():
        raise InputError(
            f"workdir {workdir} is not finished: it has no comparison.json. The command that "
            "began the training resumes it"
        )
    comparison = read_comparison(path)
    settings = comparison.settings
    missing = [name for name in SETTINGS if name not in settings]
    missing += [name for name in ENVIRONMENT if name not in comparison.environment]
    seconds = settings.get("train_seconds")
    if not isinstance(seconds, dict) or layout not in seconds:
        missing.append(f"train_seconds of {layout}")
    if layout not in comparison.upsamplers:
        missing.append(f"scores of {layout}")
    if missing:
        raise InputError(f"{path} does not state {', '.join(missing)} for the card")
    return comparison


def _measure(
    network: TrainedNetwork,
    experiment: Experiment,
    protocol: Protocol,
    root: Path | None,
    console: Console,
) -> dict[str, dict[str, Scores]]:
    """Returns the scores of the network and of bicubic by benchmark."""
    benchmarks: Mapping[str, Sequence[Pair]] = find_benchmarks(
        experiment.data.benchmarks, root, protocol.scale, protocol.degradation
    )
    upscalers = {
        "network": network.upscaler(),
        BICUBIC_NAME: BicubicUpscaler(protocol.scale, protocol.degradation.border),
    }
    scores: dict[str, dict[str, Scores]] = {name: {} for name in upscalers}
    for benchmark, images in benchmarks.items():
        with console.status(f"measuring {benchmark}"):
            for name, result in evaluate(upscalers, images, protocol).items():
                scores[name][benchmark] = result
    return scores


def _compare(
    scores: Mapping[str, Scores], comparison: Comparison, layout: str, workdir: Path
) -> None:
    recorded = comparison.upsamplers[layout].psnr
    for benchmark, result in scores.items():
        before = recorded.get(benchmark)
        if before is None or abs(before - result.mean_psnr) > TOLERANCE_DB:
            raise InputError(
                f"the weights in {workdir} have {result.mean_psnr:.4f} dB on {benchmark}, and its "
                f"comparison.json states {before}: the files are not of one training"
            )


def _means(scores: Mapping[str, Scores]) -> dict[str, MeanScores]:
    return {
        benchmark: MeanScores(
            psnr=result.mean_psnr,
            ssim=result.mean_ssim,
            images=len(result.psnr),
        )
        for benchmark, result in scores.items()
    }


def main(options: Options) -> int:
    """Adds the model and prints its scores and files."""
    console = make_console()
    release = make_release(
        options.workdir,
        options.name,
        data_root(options.data_root),
        console,
        upsampler=options.upsampler,
        overwrite=options.overwrite,
    )
    for benchmark, score in release.scores.items():
        console.print(f"{benchmark}: {score.psnr:.2f} dB / {score.ssim:.4f}", highlight=False)
    for path in released_files(release.name):
        console.print(f"{path}: {path.stat().st_size:,} bytes", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Options)))
