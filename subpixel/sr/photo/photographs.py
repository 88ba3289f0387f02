"""Enlarges one photograph from a file to a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.engine import ModelFamily
from subpixel.sr.photo.plan import Size, choose_stages
from subpixel.sr.photo.reading import MAX_MEGAPIXELS, open_photograph
from subpixel.sr.photo.strips import Strips, enlarge, resize
from subpixel.sr.photo.writing import Encoding, check_target, write_photograph


@dataclass(frozen=True)
class Settings:
    """How images are enlarged.

    Attributes:
      models: the models that enlarge them.
      size: of the results.
      encoding: of the results.
      consistent: whether back-projection changes the results until they shrink to their inputs.
      max_megapixels: inputs with more are refused.
    """

    models: ModelFamily
    size: Size = field(default_factory=Size)
    encoding: Encoding = field(default_factory=Encoding)
    consistent: bool = False
    max_megapixels: float = MAX_MEGAPIXELS

    def __post_init__(self):
        if not self.max_megapixels > 0:
            raise InputError(f"max_megapixels must be a positive number; got {self.max_megapixels}")

    def enlarged(self, lr: Strips, advance: Callable[[int], None] | None = None) -> Strips:
        """Returns an image in the requested size.

        Args:
          lr: the image, which is consumed.
          advance: receives the number of input pixels that the first stage has enlarged.
        """
        width, height = self.size.of(lr.width, lr.height)
        stages = self.stages(lr.width, lr.height)
        image = lr
        for number, scale in enumerate(stages):
            image = enlarge(image, self.models.of_scale(scale), None if number else advance)
        return resize(image, height, width)

    def stages(self, width: int, height: int) -> tuple[int, ...]:
        """Returns the scales that an image of a size is enlarged by, one after the other.

        Raises:
          InputError: if the result would be too large, or it cannot be consistent.
        """
        new_width, new_height = self.size.of(width, height)
        stages = choose_stages(max(new_width / width, new_height / height), self.models.scales)
        exact = [(width * r, height * r) for r in stages[:1]] == [(new_width, new_height)]
        if self.consistent and not (len(stages) == 1 and exact):
            scales = ", ".join(f"x{scale}" for scale in self.models.scales)
            raise InputError(
                f"consistent goes with a scale of the model ({scales}), and {new_width}x"
                f"{new_height} of {width}x{height} is none"
            )
        return stages

    def model_name(self, width: int, height: int) -> str:
        """Returns names and versions of the models that an image of a size is enlarged by."""
        models = [self.models.of_scale(scale) for scale in self.stages(width, height)]
        names = [f"{model.name} {model.version}".rstrip() for model in models]
        return " and ".join(names + ["back-projection"] * self.consistent) or "bicubic"


@contextmanager
def naming_input(path: Path) -> Iterator[None]:
    """Adds the path of the input to an `InputError`."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def upscale_photograph(
    path: Path,
    target: Path,
    settings: Settings,
    advance: Callable[[int], None] | None = None,
) -> list[str]:
    """Enlarges an image file.

    Args:
      path: the file.
      target: the file that is written; its suffix is the format.
      settings: models, size and encoding.
      advance: receives the number of enlarged input pixels.

    Returns:
      Notes on the result for the user, one line each.

    Raises:
      InputError: naming the file, if it or its result cannot be used.
      OSError: if the system refuses to read or write.
    """
    source = open_photograph(path, settings.max_megapixels)
    width, height = settings.size.of(source.width, source.height)
    with naming_input(path):
        settings.stages(source.width, source.height)
    notes = [*source.notes, *check_target(source, target, width, height, settings.encoding)]
    result = settings.enlarged(source.strips(), advance)
    name = settings.model_name(source.width, source.height)
    write_photograph(result, source, target, name, settings.encoding)
    return notes
