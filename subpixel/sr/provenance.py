"""The origin of a network's weights. This module loads neither JAX nor Flax."""

from dataclasses import dataclass, fields, replace
from typing import Self

# What a file states for a fact that is not known.
UNKNOWN = "not stated"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a file states about its weights.

    Bytes of a name that are not UTF-8, which the formats do not hold, become backslash escapes.

    Attributes:
      name: the model's name.
      version: the version of the weights.
      license: the licence of the weights.
      training_data: the data sets that the weights were trained on.
    """

    name: str
    version: str = UNKNOWN
    license: str = UNKNOWN
    training_data: str = UNKNOWN

    def __post_init__(self):
        for field in fields(self):
            text = getattr(self, field.name).encode("utf-8", "backslashreplace").decode()
            object.__setattr__(self, field.name, text)

    def stating(self, **given: str | None) -> Self:
        """Returns the facts with those that are given; None and "" leave a fact as it is."""
        return replace(self, **{name: value for name, value in given.items() if value})
