"""Enlarges one photograph from a file to a file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.engine import ModelFamily
from subpixel.sr.photo.plan import Size, choose_stages
from subpixel.sr.photo.reading import open_photograph
from subpixel.sr.photo.strips import Strips, enlarge, resize
from subpixel.sr.photo.writing import check_target, write_photograph

# Receives how much of a file is done, and the whole, in any unit; None if it is unknown.
Advance = Callable[[float, float | None], None]


@dataclass(frozen=True)
class Settings:
    """How images and videos are enlarged.

    `quality` is that of JPEG, WebP and AVIF, 1 to 100, None for 95, 90 and 80; `crf` the constant
    rate factor of videos, 0 (lossless) to 51.
    """

    models: ModelFamily
    size: Size = field(default_factory=Size)
    quality: int | None = None
    crf: int = 18

    def __post_init__(self):
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise InputError(f"quality must be from 1 to 100; got {self.quality}")
        if not 0 <= self.crf <= 51:
            raise InputError(f"crf must be from 0 to 51; got {self.crf}")

    def enlarged(self, lr: Strips, advance: Callable[[int], None] | None = None) -> Strips:
        """Returns an image, which is consumed, in the requested size.

        `advance` receives the number of input pixels that the first stage has enlarged.
        """
        image = lr
        for number, scale in enumerate(self.stages(lr.width, lr.height)):
            image = enlarge(image, self.models.of_scale(scale), None if number else advance)
        width, height = self.size.of(lr.width, lr.height)
        return resize(image, height, width)

    def stages(self, width: int, height: int) -> tuple[int, ...]:
        """Returns the scales that an image of a size is enlarged by, one after the other.

        Raises:
          InputError: if the result would be too large.
        """
        new_width, new_height = self.size.of(width, height)
        return choose_stages(max(new_width / width, new_height / height), self.models.scales)

    def model_name(self, width: int, height: int) -> str:
        """Returns names and versions of the models that an image of a size is enlarged by."""
        models = [self.models.of_scale(scale) for scale in self.stages(width, height)]
        return " and ".join(f"{m.name} {m.version}".rstrip() for m in models) or "bicubic"


@dataclass(frozen=True)
class Result:
    """The size of an enlarged file, and notes for the user, one line each."""

    width: int
    height: int
    notes: tuple[str, ...] = ()


def upscale_photograph(
    path: Path, target: Path, settings: Settings, advance: Advance | None = None
) -> Result:
    """Enlarges an image file into another, whose suffix is the format.

    Raises:
      InputError: naming the file, if it or its result cannot be used.
      OSError: if the system refuses to read or write.
    """
    source = open_photograph(path)
    given = source.image.width, source.image.height
    width, height = settings.size.of(*given)
    try:
        settings.stages(*given)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    notes = [*source.notes, *check_target(source, target, width, height)]
    done = 0

    def count(pixels: int) -> None:
        nonlocal done
        done += pixels
        if advance is not None:
            advance(done, given[0] * given[1])

    enlarged = settings.enlarged(source.strips(), count)
    write_photograph(enlarged, source, target, settings.model_name(*given), settings.quality)
    return Result(width, height, tuple(notes))
