"""Sizes, and the enlargements that lead to them."""

import pytest

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.plan import Size, choose_stages, parse_fit


@pytest.mark.parametrize(
    ("factor", "scales", "stages"),
    [
        (1, (2, 3, 4), ()),
        (1.5, (2, 3, 4), (2,)),
        (2, (2, 3, 4), (2,)),
        (2.5, (2, 3, 4), (3,)),
        (5, (2, 3, 4), (3, 2)),
        (6, (2, 3, 4), (3, 2)),
        (8, (2, 3, 4), (4, 2)),
        (24, (2, 3, 4), (4, 3, 2)),
        (2, (3,), (3,)),
        (4, (3,), (3, 3)),
        (3.0000000001, (2, 3, 4), (3,)),
    ],
)
def test_stages_reach_the_factor_with_the_smallest_product(factor, scales, stages):
    assert choose_stages(factor, scales) == stages


def test_a_factor_beyond_three_stages_is_refused():
    with pytest.raises(InputError, match=r"65 times larger, and x64 is the most"):
        choose_stages(65, (2, 3, 4))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (Size(), (90, 60)),
        (Size(scale=2.5), (75, 50)),
        (Size(width=100), (100, 67)),
        (Size(height=100), (150, 100)),
        (Size(fit=(100, 100)), (100, 67)),
        (Size(scale=0.01), (1, 1)),
    ],
)
def test_sizes_of_an_image_of_30_by_20(size, expected):
    assert size.of(30, 20) == expected


def test_a_transposed_size_is_that_of_the_rotated_image():
    for size in (Size(width=100), Size(height=100), Size(fit=(300, 100)), Size(scale=2.5), Size()):
        assert size.transposed().of(20, 30) == size.of(30, 20)[::-1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": 3, "width": 100}, "only one of scale, width, height and fit.*scale, width"),
        ({"scale": 0}, "scale must be a positive number; got 0"),
        ({"scale": float("nan")}, "scale must be a positive number; got nan"),
        ({"fit": (0, 5)}, r"fit must be a positive number; got \(0, 5\)"),
    ],
)
def test_impossible_sizes_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Size(**values)


def test_a_box_is_read_from_text():
    assert parse_fit("1920x1080") == (1920, 1080)
    with pytest.raises(InputError, match=r"WIDTHxHEIGHT in pixels.*got '1920'"):
        parse_fit("1920")
