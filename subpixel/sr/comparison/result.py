"""The result of a comparison of upsamplers, as a value and as comparison.json."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from subpixel.sr.evaluation.scores import Scores
from subpixel.sr.serialization import read_json

Number = float | None
"""A number; None if it was not measured, or if it was not finite and comes from a JSON file."""

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

    psnr: dict[str, Number] = field(default_factory=dict)
    ssim: dict[str, Number] = field(default_factory=dict)
    images: dict[str, dict[str, ImageScores]] = field(default_factory=dict)

    @classmethod
    def from_scores(cls, scores: Mapping[str, Scores], **others: Any) -> Self:
        """Returns the scores of one model on several benchmarks, by the benchmark's name."""
        return cls(
            {benchmark: of.mean_psnr for benchmark, of in scores.items()},
            {benchmark: of.mean_ssim for benchmark, of in scores.items()},
            {
                benchmark: {name: ImageScores(of.psnr[name], of.ssim[name]) for name in of.psnr}
                for benchmark, of in scores.items()
            },
            **others,
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
    quartiles: dict[str, tuple[Number, Number]] = field(default_factory=dict)
    forward_ms: Number = None
    gradient_ms: Number = None
    train_step_ms: Number = None


@dataclass(frozen=True)
class Conversion:
    """A trained network beside the same network converted to the other layouts.

    Attributes:
      benchmark: whose images both enlarge.
      psnr_db: largest difference of the PSNR of an image, in dB.
      pixels: largest difference of a pixel of the output, which is in 0..1.
    """

    benchmark: str
    psnr_db: Number
    pixels: Number


@dataclass(frozen=True)
class UpsamplerResult(Cost, ModelScores):
    """Scores and cost of a network with one upsampler.

    Attributes:
      conversion: to the other layouts; None if it was not measured.
    """

    conversion: Conversion | None = None


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
    upsamplers: dict[str, UpsamplerResult] = field(default_factory=dict)
    bicubic: ModelScores | None = None
    psnr_spread_db: dict[str, Number] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the contents of comparison.json."""
        values = asdict(self)
        for result in values["upsamplers"].values():
            if result["conversion"] is None:
                del result["conversion"]
        return values


def psnr_spread(models: Mapping[str, ModelScores]) -> dict[str, Number]:
    """Returns the highest minus the lowest PSNR of several models, by benchmark."""
    benchmarks = dict.fromkeys(name for scores in models.values() for name in scores.psnr)
    spreads: dict[str, Number] = {}
    for benchmark in benchmarks:
        known = [psnr for of in models.values() if (psnr := of.psnr.get(benchmark)) is not None]
        # The PSNR of equal images is infinite, and infinity minus infinity no number.
        apart = max(known) - min(known) if len(set(known)) > 1 else 0.0
        spreads[benchmark] = apart if len(known) == len(models) else None
    return spreads


def read_comparison(path: Path) -> Comparison:
    """Reads a comparison.json of this version or an earlier one; what is missing there is None.

    Raises:
      InputError: if the file cannot be read, or a value has the wrong kind.
    """
    return read_json(path, Comparison)
