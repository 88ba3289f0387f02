"""Measures PSNR and SSIM on benchmarks, by a protocol that is stated beside every figure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from subpixel.data.degradation import Degradation, make_low
from subpixel.data.pictures import Picture
from subpixel.errors import InputError
from subpixel.image import modcrop, psnr, rgb_to_luma, ssim
from subpixel.image.resize import Border
from subpixel.upscaling import Upscaler


@dataclass(frozen=True)
class Protocol:
    """How figures are measured.

    Attributes:
      scale: r; the original is cropped to a multiple of it and shaved by it at every side.
      border: that of the bicubic which makes the low resolution.
    """

    scale: int
    border: Border = "symmetric"

    def describe(self) -> str:
        """Returns the protocol in a line."""
        return (
            f"x{self.scale}: original cropped to a multiple of {self.scale}; low resolution by "
            f"MATLAB's imresize, bicubic, uint8, {self.border} border; PSNR and SSIM of BT.601 "
            f"studio-range luma rounded to 8 bits, {self.scale} pixels shaved from every side, "
            "peak 255; mean over pictures"
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the protocol as it is stored beside figures."""
        return {**asdict(self), "shave": self.scale, "description": self.describe()}


@dataclass(frozen=True)
class Figures:
    """PSNR in dB and SSIM of the pictures of one benchmark, by name."""

    psnr: dict[str, float]
    ssim: dict[str, float]

    @property
    def mean_psnr(self) -> float:
        """The mean of the pictures' PSNRs, in dB."""
        return sum(self.psnr.values()) / len(self.psnr)

    @property
    def mean_ssim(self) -> float:
        """The mean of the pictures' SSIMs."""
        return sum(self.ssim.values()) / len(self.ssim)

    def to_json(self) -> dict[str, Any]:
        """Returns means, and pictures by name."""
        images = {name: {"psnr": self.psnr[name], "ssim": self.ssim[name]} for name in self.psnr}
        return {"psnr": self.mean_psnr, "ssim": self.mean_ssim, "images": images}


def evaluate(
    upscalers: dict[str, Upscaler], pictures: Iterable[Picture], protocol: Protocol
) -> dict[str, Figures]:
    """Measures several upscalers on the same pictures; one picture is in memory at a time.

    Args:
      upscalers: by name.
      pictures: the originals of a benchmark.
      protocol: how.

    Returns:
      The figures of each upscaler.

    Raises:
      InputError: if a picture cannot be read, or is too small to be measured.
    """
    figures = {name: Figures({}, {}) for name in upscalers}
    for picture in pictures:
        original = picture.load()
        try:
            original = modcrop(original, protocol.scale)
            low = make_low(original, protocol.scale, Degradation(border=protocol.border))
            reference = rgb_to_luma(original)
            for name, upscaler in upscalers.items():
                luma = upscaler.luma(low)
                result = figures[name]
                result.psnr[picture.name] = float(psnr(luma, reference, shave=protocol.scale))
                result.ssim[picture.name] = float(ssim(luma, reference, shave=protocol.scale))
        except ValueError as error:
            raise InputError(f"picture {picture.source} cannot be measured: {error}") from error
    return figures


def figures_table(
    title: str, rows: dict[str, dict[str, Figures]], benchmarks: Sequence[str]
) -> Table:
    """Returns a table with a row for each model and PSNR / SSIM of each benchmark.

    Args:
      title: what the table shows.
      rows: figures by model and benchmark.
      benchmarks: the columns.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("PSNR dB / SSIM", no_wrap=True)
    for benchmark in benchmarks:
        table.add_column(benchmark, justify="right")
    for model, figures in rows.items():
        cells = (f"{figures[b].mean_psnr:.2f} / {figures[b].mean_ssim:.4f}" for b in benchmarks)
        table.add_row(model, *cells)
    return table
