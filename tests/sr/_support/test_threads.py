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

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = map_in_threads(str, items(), threads)
    assert next(results) == "0"
    assert len(taken) <= threads + 1
    assert next(results) == "1"
    assert len(taken) <= threads + 2
    assert list(results) == [str(number) for number in range(2, 100)]


def test_as_many_items_run_at_once_as_there_are_threads():
    together = threading.Barrier(3, timeout=30)
    assert list(map_in_threads(lambda _: together.wait() >= 0, range(3), 3)) == [True] * 3


def test_an_error_of_one_item_is_raised_in_its_place():
    results = map_in_threads(lambda n: 6 // n, [3, 2, 0, 1], 2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
