"""Runs one experiment with several seeds, to measure the random variation of its scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_json
from subpixel.sr.comparison.result import FILE_NAME, read_comparison
from subpixel.sr.comparison.seeds import seeds_table, summarise_seeds
from subpixel.sr.config import Experiment
from subpixel.sr.experiment import run
from subpixel.sr.training.parallel import is_first
from subpixel.sr.workdir import check_workdir


def run_sweep(
    experiment: Experiment,
    seeds: Sequence[int],
    workdir: Path,
    root: Path | None,
    console: Console,
    profile: bool = False,
) -> int:
    """Runs an experiment once for each seed; the same call resumes.

    Each run is written to `seed-N` in the workdir, and the statistics to `sweep.json`.

    Returns:
      The exit code of the command: that of the first run that was stopped, or 0.

    Raises:
      InputError: if a seed is repeated or negative; and the errors of `run`.
    """
    # All seeds and workdirs are checked before the first run begins.
    experiments = seeded(experiment, seeds)
    folders = {seed: workdir / f"seed-{seed}" for seed in seeds}
    for seed, folder in folders.items():
        check_workdir(folder, experiments[seed])
    for seed, folder in folders.items():
        # The page is the last file of a run.
        if (folder / "report.html").exists():
            console.print(f"seed {seed} is finished: {folder}", soft_wrap=True)
        elif code := run(experiments[seed], folder, root, console, profile):
            return code
    if not is_first():
        return 0
    results = {}
    for seed, folder in folders.items():
        try:
            results[seed] = read_comparison(folder / FILE_NAME)
        except InputError as error:
            page = folder / "report.html"
            raise InputError(
                f"{error}. To write it again, remove {page} and repeat the command"
            ) from error
    result = summarise_seeds(results)
    write_json(workdir / "sweep.json", result)
    console.print(seeds_table(result))
    return 0


def seeded(experiment: Experiment, seeds: Sequence[int]) -> dict[int, Experiment]:
    """Returns the experiment of each seed.

    Raises:
      InputError: if a seed is repeated or not allowed.
    """
    repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if repeated:
        raise InputError(
            f"--seeds names {', '.join(map(str, repeated))} more than once: name each seed once, "
            "since the same seed gives the same run"
        )
    return {seed: replace(experiment, seed=seed) for seed in seeds}
