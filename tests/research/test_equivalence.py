"""Paired tests on samples whose p values are known."""

import math

import numpy as np
import pytest
from equivalence import compare_paired, largest_spread


def student_cdf(t: float) -> float:
    """Returns the distribution function of Student's t with two degrees of freedom."""
    return 0.5 + t / (2 * math.sqrt(2 + t * t))


@pytest.mark.parametrize("shift", [-0.05, -0.019, 0.0, 0.004, 0.021])
def test_p_values_are_those_of_the_closed_form(shift):
    first = np.array([30.0, 30.4, 30.1])
    differences = shift + np.array([0.003, -0.001, -0.002])
    result = compare_paired(list(first), list(first + differences))
    error = differences.std(ddof=1) / math.sqrt(3)
    assert result.mean == pytest.approx(shift)
    assert result.std == pytest.approx(math.sqrt(7e-6))
    assert result.paired_p == pytest.approx(2 * student_cdf(-abs(shift) / error), abs=1e-9)
    tost = student_cdf((abs(shift) - 0.02) / error)
    assert result.tost_p == pytest.approx(tost, abs=1e-9)


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        # Significant by the t test, and yet within the bound.
        ([30.0051, 30.4052, 30.1050], "equivalent"),
        ([30.1, 30.51, 30.19], "different"),
        ([30.1, 30.30, 30.11], "undecided"),
    ],
)
def test_verdicts(second, verdict):
    assert compare_paired([30.0, 30.4, 30.1], second).verdict == verdict


def test_a_wider_bound_makes_a_difference_equivalent():
    first, second = [30.0, 30.4, 30.1], [30.1, 30.51, 30.19]
    assert compare_paired(first, second, bound=0.2).verdict == "equivalent"


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(0.0, (1.0, 0.0, "equivalent")), (0.015625, (0.0, 0.0, "equivalent")),
     (0.5, (0.0, 1.0, "different"))],
)  # fmt: skip
def test_differences_that_are_all_the_same_have_limits_as_p_values(shift, expected):
    first = [30.0, 30.5, 31.0]
    result = compare_paired(first, [value + shift for value in first])
    assert (result.paired_p, result.tost_p, result.verdict) == expected


@pytest.mark.parametrize("second", [[1.0], [1.0, 2.0, 3.0]])
def test_samples_that_do_not_pair_are_refused(second):
    with pytest.raises(ValueError, match="same length of at least 2"):
        compare_paired([1.0], second)


def test_spreads_between_treatments_and_seeds():
    assert largest_spread([[1.0, 5.0, 2.0], [1.5, 5.0, 2.25], [1.25, 5.0, 1.5]]) == (0.75, 4.0)
