"""The enlargements that give an image of the requested size."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import isclose, prod

from subpixel.sr._support.errors import InputError

DEFAULT_SCALE = 3
# x4 three times: a result larger than x64 has little relation to the input.
MAX_STAGES = 3


@dataclass(frozen=True)
class Size:
    """The requested size: a scale, a width, a height or a box to fit into; none means x3."""

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    fit: tuple[int, int] | None = None

    def __post_init__(self):
        given = {k: v for k, v in vars(self).items() if v is not None}
        if len(given) > 1:
            raise InputError(
                f"only one of scale, width, height and fit can be given; got {', '.join(given)}"
            )
        for name, value in given.items():
            smallest = min(value) if isinstance(value, tuple) else value
            if not smallest > 0 or smallest == float("inf"):
                raise InputError(f"{name} must be a positive number; got {value}")

    def or_scale_of(self, scales: Collection[int]) -> "Size":
        """Returns this size; if none is given, the scale of a model that has only one.

        >>> Size().or_scale_of([2]).of(30, 20), Size().or_scale_of([2, 4]).of(30, 20)
        ((60, 40), (90, 60))
        """
        given = any(value is not None for value in vars(self).values())
        return Size(scale=min(scales)) if len(scales) == 1 and not given else self

    @property
    def label(self) -> str:
        """The end of a result's name: "x3", "3840w", "1080h" or "1920x1080"."""
        if self.fit is not None:
            return f"{self.fit[0]}x{self.fit[1]}"
        if self.width is not None or self.height is not None:
            return f"{self.width}w" if self.width is not None else f"{self.height}h"
        return f"x{self.scale or DEFAULT_SCALE:g}"

    def transposed(self) -> "Size":
        """Returns this size for an image whose width and height are exchanged."""
        fit = self.fit and (self.fit[1], self.fit[0])
        return Size(self.scale, self.height, self.width, fit)

    def of(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height of the result for an image of a width and a height."""
        if self.width is not None:
            factor = self.width / width
        elif self.height is not None:
            factor = self.height / height
        elif self.fit is not None:
            factor = min(self.fit[0] / width, self.fit[1] / height)
        else:
            factor = self.scale or DEFAULT_SCALE
        # Halves are rounded up, as everywhere in this project.
        rounded = (max(int(side * factor + 0.5), 1) for side in (width, height))
        new_width, new_height = rounded
        return self.width or new_width, self.height or new_height


def parse_fit(text: str) -> tuple[int, int]:
    """Returns width and height of a text such as "1920x1080".

    Raises:
      InputError: if the text is anything else.
    """
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", text.strip())
    if match is None:
        raise InputError(f'fit must be WIDTHxHEIGHT in pixels, such as "1920x1080"; got {text!r}')
    return int(match[1]), int(match[2])


def choose_stages(factor: float, scales: Collection[int]) -> tuple[int, ...]:
    """Returns the scales of the enlargements, in their order.

    Their product is the smallest that is at least the factor; of equal products the one with the
    fewest stages, the larger scale first.

    Raises:
      InputError: if the factor is larger than three stages reach.

    Example:
      >>> choose_stages(6, (2, 3, 4)), choose_stages(2.5, (2, 3, 4))
      ((3, 2), (3,))
    """
    if factor <= 1 or isclose(factor, 1):
        return ()
    for count in range(1, MAX_STAGES + 1):
        chains = combinations_with_replacement(sorted(scales, reverse=True), count)
        enough = [c for c in chains if prod(c) >= factor or isclose(prod(c), factor)]
        if enough:
            return min(enough, key=prod)
    largest = max(scales) ** MAX_STAGES
    raise InputError(
        f"the result would be {factor:.3g} times larger, and x{largest} is the most that this "
        "model reaches: ask for less"
    )
