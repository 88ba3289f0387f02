"""The result of a comparison of upsamplers, as a value and as comparison.json."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import write_json
from subpixel.sr.evaluation import Scores

Number = float | None
"""A number; None if it was not measured, or if it was not finite and comes from a JSON file."""
Quartiles = tuple[Number, Number]
Value = TypeVar("Value")

FILE_NAME = "comparison.json"

BOUND_DB = 0.02
"""PSNRs that differ by less count as equal: rounding alone separates trainings of one function."""


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image: PSNR in dB and SSIM."""

    psnr: Number = None
    ssim: Number = None


@dataclass(frozen=True)
class ModelScores:
    """Scores of one model.

    Attributes:
      psnr: mean PSNR over the images of each benchmark, in dB.
      ssim: mean SSIM over the images of each benchmark.
      images: scores of each image, by benchmark and name.
    """

    psnr: Mapping[str, Number] = field(default_factory=dict)
    ssim: Mapping[str, Number] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, ImageScores]] = field(default_factory=dict)

    @classmethod
    def from_scores(cls, scores: Mapping[str, Scores]) -> Self:
        """Returns the scores of one model on several benchmarks, by the benchmark's name."""
        return cls(
            {benchmark: of.mean_psnr for benchmark, of in scores.items()},
            {benchmark: of.mean_ssim for benchmark, of in scores.items()},
            {
                benchmark: {name: ImageScores(of.psnr[name], of.ssim[name]) for name in of.psnr}
                for benchmark, of in scores.items()
            },
        )


@dataclass(frozen=True)
class Cost:
    """What a network costs on a training batch; times are medians.

    Attributes:
      compile_s: seconds of tracing and compilation of the training step.
      gflop_useful: 10**9 operations of a forward pass that the function needs.
      gflop_executed: the same, with the products with inserted zeros.
      temp_mib: memory of the intermediate results of a training step, in MiB.
      parameters: number of parameters of the network.
      quartiles: first and third quartile of each time, by the name of its attribute.
      forward_ms: milliseconds of a forward pass.
      gradient_ms: milliseconds of the forward pass and the gradients of input and parameters.
      train_step_ms: milliseconds of a training step.
    """

    compile_s: Number = None
    gflop_useful: Number = None
    gflop_executed: Number = None
    temp_mib: Number = None
    parameters: int | None = None
    quartiles: Mapping[str, Quartiles] = field(default_factory=dict)
    forward_ms: Number = None
    gradient_ms: Number = None
    train_step_ms: Number = None


@dataclass(frozen=True)
class UpsamplerResult:
    """Scores and cost of a network with one upsampler."""

    scores: ModelScores = field(default_factory=ModelScores)
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Networks that differ only in their upsampler, compared.

    Attributes:
      name: of the experiment; None if not known.
      scale: r; None if not known.
      upsamplers: result of each upsampler.
      bicubic: scores of bicubic interpolation; None if it was not measured.
      psnr_spread_db: highest minus lowest PSNR of the upsamplers, by benchmark.
      protocol: how the scores were measured, as from `Protocol.to_json`.
      settings: of the training.
      environment: versions, machine and settings, as from `environment`.
    """

    name: str | None = None
    scale: int | None = None
    upsamplers: Mapping[str, UpsamplerResult] = field(default_factory=dict)
    bicubic: ModelScores | None = None
    psnr_spread_db: Mapping[str, Number] = field(default_factory=dict)
    protocol: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the contents of comparison.json."""
        return {
            "name": self.name,
            "scale": self.scale,
            "upsamplers": {
                name: {**asdict(result.scores), **asdict(result.cost)}
                for name, result in self.upsamplers.items()
            },
            "bicubic": None if self.bicubic is None else asdict(self.bicubic),
            "psnr_spread_db": dict(self.psnr_spread_db),
            "protocol": dict(self.protocol),
            "settings": dict(self.settings),
            "environment": dict(self.environment),
        }

    @classmethod
    def from_json(cls, values: Any, source: str) -> Self:
        """Reads the contents of comparison.json; what is missing there is missing here.

        Args:
          values: contents of the file, of this version or an earlier one.
          source: path of the file, for messages.

        Raises:
          InputError: if a value has the wrong kind.
        """
        reader = _Reader(source)
        top = reader.table(values, "the file")
        bicubic = top.get("bicubic")
        return cls(
            name=reader.optional(top, "name", str),
            scale=reader.optional(top, "scale", int),
            upsamplers={
                name: UpsamplerResult(reader.scores(entry, name), reader.cost(entry, name))
                for name, entry in reader.table(top.get("upsamplers"), "upsamplers").items()
            },
            bicubic=None if bicubic is None else reader.scores(bicubic, "bicubic"),
            psnr_spread_db=reader.numbers(top.get("psnr_spread_db"), "psnr_spread_db"),
            protocol=reader.table(top.get("protocol"), "protocol"),
            settings=reader.table(top.get("settings"), "settings"),
            environment=reader.table(top.get("environment"), "environment"),
        )


def psnr_spread(models: Mapping[str, ModelScores]) -> dict[str, Number]:
    """Returns the highest minus the lowest PSNR of several models, by benchmark."""
    benchmarks = dict.fromkeys(name for scores in models.values() for name in scores.psnr)
    spreads: dict[str, Number] = {}
    for benchmark in benchmarks:
        known = [psnr for of in models.values() if (psnr := of.psnr.get(benchmark)) is not None]
        spreads[benchmark] = max(known) - min(known) if len(known) == len(models) else None
    return spreads


def read_comparison(path: Path) -> Comparison:
    """Reads a comparison.json.

    Raises:
      InputError: if the file cannot be read, or a value has the wrong kind.
    """
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error!r}") from error
    return Comparison.from_json(values, str(path))


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Writes a comparison.json. Numbers that are not finite become null.

    Raises:
      OSError: if the file cannot be written.
    """
    write_json(path, comparison.to_json())


@dataclass(frozen=True)
class _Reader:
    """Checks the kinds of values from a JSON file.

    Attributes:
      source: path of the file, for messages.
    """

    source: str

    def table(self, value: Any, name: str) -> dict[str, Any]:
        if value is None:
            return {}
        return self._of_kind(value, dict, name)

    def optional(self, table: Mapping[str, Any], name: str, kind: type[Value]) -> Value | None:
        value = table.get(name)
        return None if value is None else self._of_kind(value, kind, name)

    def number(self, value: Any, name: str) -> Number:
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        raise self._error(name, "a number", value)

    def numbers(self, value: Any, name: str) -> dict[str, Number]:
        return self._each(value, name, self.number)

    def scores(self, value: Any, name: str) -> ModelScores:
        entry = self.table(value, name)
        psnr, ssim = (self.numbers(entry.get(key), f"{name}.{key}") for key in ("psnr", "ssim"))
        return ModelScores(psnr, ssim, self._each(entry.get("images"), f"{name}.images", self._set))

    def cost(self, value: Any, name: str) -> Cost:
        entry = self.table(value, name)
        quartiles = self._each(entry.get("quartiles"), f"{name}.quartiles", self._pair)
        known = {each.name for each in fields(Cost)} - {"quartiles"}
        numbers = {key: self.number(entry.get(key), f"{name}.{key}") for key in known}
        parameters = self.optional(entry, "parameters", int)
        return Cost(**{**numbers, "parameters": parameters}, quartiles=quartiles)

    def _set(self, value: Any, name: str) -> dict[str, ImageScores]:
        return self._each(value, name, self._image)

    def _image(self, value: Any, name: str) -> ImageScores:
        entry = self.table(value, name)
        return ImageScores(
            *(self.number(entry.get(key), f"{name}.{key}") for key in ("psnr", "ssim"))
        )

    def _pair(self, value: Any, name: str) -> Quartiles:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise self._error(name, "two numbers", value)
        return self.number(value[0], name), self.number(value[1], name)

    def _each(self, value: Any, name: str, read: Callable[[Any, str], Value]) -> dict[str, Value]:
        table = self.table(value, name)
        return {key: read(item, f"{name}.{key}") for key, item in table.items()}

    def _of_kind(self, value: Any, kind: type[Value], name: str) -> Value:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._error(name, f"of the kind {kind.__name__}", value)
        return value

    def _error(self, name: str, wanted: str, value: Any) -> InputError:
        return InputError(f"{self.source} is no comparison: {name} must be {wanted}; got {value!r}")
