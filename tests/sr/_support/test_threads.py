"""Results come in order, few are computed ahead, and an error ends the work."""

import threading
import time

import pytest

from subpixel.sr._support.threads import map_in_threads


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads):
    def slow_first(number: int) -> int:
        time.sleep(0.01 if number % 3 == 0 else 0)
        return number**2

    assert list(map_in_threads(slow_first, range(20), threads)) == [n**2 for n in range(20)]
    assert list(map_in_threads(slow_first, [], threads)) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_items_are_taken_only_as_they_are_needed(threads):
    taken: list[int] = []
    results = map_in_threads(str, (taken.append(n) or n for n in range(100)), threads)
    for number in range(2):
        assert next(results) == str(number)
        assert len(taken) <= threads + 1 + number
    assert list(results) == [str(number) for number in range(2, 100)]


def test_as_many_items_run_at_once_as_there_are_threads_and_an_error_ends_the_work():
    together = threading.Barrier(3, timeout=30)
    assert list(map_in_threads(lambda _: together.wait() >= 0, range(3), 3)) == [True] * 3
    results = map_in_threads(lambda n: 6 // n, [3, 2, 0, 1], 2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
