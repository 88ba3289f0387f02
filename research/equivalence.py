"""Tests for paired scores: whether they differ, and whether they are equivalent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from subpixel.sr.comparison.result import BOUND_DB

LEVEL = 0.05

Verdict = Literal["equivalent", "different", "undecided"]


@dataclass(frozen=True)
class Paired:
    """Two samples compared pair by pair.

    Attributes:
      mean: mean difference, the second sample minus the first.
      std: sample standard deviation of the differences.
      paired_p: p value of the paired t test, whose null hypothesis is a mean difference of zero.
      tost_p: p value of two one-sided t tests (TOST, Schuirmann 1987), whose null hypothesis is a
        mean difference outside -bound..bound.
      bound: the equivalence bound.
    """

    mean: float
    std: float
    paired_p: float
    tost_p: float
    bound: float

    @property
    def verdict(self) -> Verdict:
        """Returns "equivalent" if TOST rejects at 0.05, else "different" if the t test does."""
        if self.tost_p < LEVEL:
            return "equivalent"
        return "different" if self.paired_p < LEVEL else "undecided"


def compare_paired(
    first: Sequence[float], second: Sequence[float], bound: float = BOUND_DB
) -> Paired:
    """Compares two samples pair by pair, such as scores in dB with the same seeds.

    Args:
      first: the reference, at least two values.
      second: as many values, in the same order.
      bound: differences within it count as equal.

    Raises:
      ValueError: if the samples have different lengths or fewer than two values.

    Example:
      >>> result = compare_paired([30.0, 30.2, 30.1], [30.001, 30.198, 30.102])
      >>> round(result.paired_p, 3), round(result.tost_p, 3), result.verdict
      (0.808, 0.002, 'equivalent')
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(
            "both samples must have the same length of at least 2; got "
            f"{len(first)} and {len(second)}"
        )
    differences = np.subtract(second, first, dtype=np.float64)
    mean, std = float(differences.mean()), float(differences.std(ddof=1))
    if np.ptp(differences) == 0:
        # The t statistic is infinite, or undefined where it is 0 / 0.
        return Paired(mean, 0.0, float(mean == 0), float(abs(mean) >= bound), bound)
    error, freedom = std / math.sqrt(len(differences)), len(differences) - 1
    paired = 2 * stats.t.sf(abs(mean) / error, freedom)
    # The larger p value of the two one-sided tests is that of the nearer end of the bound.
    tost = stats.t.sf((bound - abs(mean)) / error, freedom)
    return Paired(mean, std, float(paired), float(tost), bound)


def largest_spread(samples: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Returns how far scores lie apart, between samples and within a sample.

    Args:
      samples: one sample for each treatment, such as the upsamplers; its values are of the same
        seeds in the same order.

    Returns:
      The largest range over the treatments at one seed, and over the seeds at one treatment.

    Example:
      >>> largest_spread([[1.0, 5.0], [2.0, 5.0]])
      (1.0, 4.0)
    """
    values = np.asarray(samples)
    return float(np.ptp(values, axis=0).max()), float(np.ptp(values, axis=1).max())
