"""Statistics over the seeds of one experiment."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.table import Table

from subpixel.sr.comparison.result import Comparison, Number


@dataclass(frozen=True)
class Statistic:
    """Mean, sample standard deviation and values of one score.

    Attributes:
      mean: None if a value is not known.
      std: None if a value is not known, or if there is one value only.
      values: one for each seed.
    """

    mean: Number
    std: Number
    values: tuple[Number, ...]


@dataclass(frozen=True)
class SeedScores:
    """Statistics of PSNR (dB) and SSIM, by benchmark."""

    psnr: Mapping[str, Statistic]
    ssim: Mapping[str, Statistic]


@dataclass(frozen=True)
class SeedsResult:
    """Scores of an experiment with several seeds.

    Attributes:
      seeds: of the runs.
      upsamplers: statistics over the seeds, by upsampler.
    """

    seeds: tuple[int, ...]
    upsamplers: Mapping[str, SeedScores]

    def to_json(self) -> dict[str, Any]:
        """Returns the contents of sweep.json."""
        return asdict(self)


def summarise_seeds(results: Mapping[int, Comparison]) -> SeedsResult:
    """Returns mean, sample standard deviation and values of every score.

    Args:
      results: the comparison of each seed, all of one experiment.

    Raises:
      KeyError: if a comparison lacks an upsampler or a benchmark of the first one.
    """
    first = next(iter(results.values()))

    def over_seeds(upsampler: str, score: Literal["psnr", "ssim"]) -> dict[str, Statistic]:
        scores = [
            getattr(result.upsamplers[upsampler].scores, score) for result in results.values()
        ]
        return {
            benchmark: _statistic([of[benchmark] for of in scores])
            for benchmark in getattr(first.upsamplers[upsampler].scores, score)
        }

    return SeedsResult(
        tuple(results),
        {
            name: SeedScores(over_seeds(name, "psnr"), over_seeds(name, "ssim"))
            for name in first.upsamplers
        },
    )


def _statistic(values: Sequence[Number]) -> Statistic:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return Statistic(None, None, tuple(values))
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Statistic(statistics.fmean(known), deviation, tuple(values))


def seeds_table(result: SeedsResult) -> Table:
    """Returns a table of the PSNR of every upsampler and benchmark."""
    title = f"PSNR dB, mean ± sample standard deviation of {len(result.seeds)} seeds"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for benchmark in next(iter(result.upsamplers.values())).psnr:
        table.add_column(benchmark, justify="right")
    for upsampler, scores in result.upsamplers.items():
        table.add_row(upsampler, *map(_cell, scores.psnr.values()))
    return table


def _cell(statistic: Statistic) -> str:
    if statistic.mean is None:
        return "?"
    deviation = "" if statistic.std is None else f" ± {statistic.std:.3f}"
    return f"{statistic.mean:.3f}{deviation}"
