"""Draws the plots of evidence.md beside it: python research/evidence_plots.py."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from equivalence import largest_spread
from evidence_page import INIT_CELLS, UPSAMPLER_CELLS, equal_cost_pairs, psnr_of, read_cell
from matplotlib.figure import Figure

from subpixel.sr.comparison.result import BOUND_DB

FOLDER = Path(__file__).parent


def plot_spreads() -> None:
    """Plots the spread between upsamplers and between seeds, for each cell and benchmark."""
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    cells = {name: cell for name in UPSAMPLER_CELLS if (cell := read_cell(name))}
    for place, cell in enumerate(cells.values()):
        for number, benchmark in enumerate(cell["bicubic"]):
            offset = 0.2 * number - 0.2
            between, seeds = largest_spread(list(psnr_of(cell, benchmark).values()))
            axes.plot(place + offset, seeds, "o", color="C0")
            axes.plot(place + offset, between, "s", color="C1")
    axes.plot([], [], "o", color="C0", label="between seeds, one upsampler")
    axes.plot([], [], "s", color="C1", label="between upsamplers, one seed")
    axes.axhline(BOUND_DB, color="grey", linestyle="--", label=f"bound, {BOUND_DB} dB")
    axes.set(
        yscale="log",
        ylabel="largest difference of PSNR, dB",
        xticks=range(len(cells)),
        xticklabels=[name.replace("_", " ").upper().replace("X", "x") for name in cells],
    )
    axes.set_title("Each cell: Set5, Set14, and B100 if it was measured", fontsize=10)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)
    _save(figure, "evidence_spread.png")


def plot_inits() -> None:
    """Plots checkerboard energy and PSNR of the initialisations, a dot for each seed."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6))
    cells = {name: cell for name in INIT_CELLS if (cell := read_cell(name))}
    labels: list[str] = []
    for name, cell in cells.items():
        for upsampler, of in cell["upsamplers"].items():
            place = len(labels)
            labels.append(f"{name.removeprefix('init_')}\n{upsampler}")
            for when, color in (("start", "C3"), ("end", "C0")):
                for axis, energy in zip(axes, ("flat_energy", "image_energy"), strict=False):
                    values = of[energy][when]
                    axis.plot([place] * len(values), values, "o", color=color, alpha=0.6)
            psnr = of["psnr"]["Set14"]
            axes[2].plot([place] * len(psnr), psnr, "o", color="C0", alpha=0.6)
    if cells:
        reference = next(iter(cells.values()))["checkerboard"]
        axes[1].axhline(reference["original"], color="grey", linestyle="--")
        axes[1].text(0, reference["original"], " original images", va="top", fontsize=8)
    for axis, title in zip(
        axes,
        ("Checkerboard energy, constant images", "Checkerboard energy, Set5", "PSNR, Set14, dB"),
        strict=True,
    ):
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(len(labels)), labels, fontsize=7, rotation=60)
    for axis in axes[:2]:
        axis.set_yscale("symlog", linthresh=0.01)
        axis.set_ylim(-0.003, 3e4)
    axes[0].plot([], [], "o", color="C3", label="start")
    axes[0].plot([], [], "o", color="C0", label="after training")
    axes[0].legend(fontsize=8)
    _save(figure, "evidence_init.png")


def plot_equal_cost() -> None:
    """Plots the gain over bicubic of each pair of equal cost, a dot for each seed."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.3))
    pairs = equal_cost_pairs()
    labels = ("high resolution (SRCNN)", "low resolution")
    for axis, benchmark in zip(axes, ("Set5", "Set14"), strict=True):
        for place, pair in enumerate(pairs):
            for side, cell in enumerate(pair):
                psnr = cell["upsamplers"]["subpixel"]["psnr"][benchmark]
                gain = np.subtract(psnr, cell["bicubic"][benchmark])
                x = [place + 0.2 * side - 0.1] * len(gain)
                axis.plot(x, gain, "o", color=f"C{1 - side}", alpha=0.6)
        axis.axhline(0, color="grey", linestyle="--")
        ticks = [
            f"{high['upsamplers']['subpixel']['multiply_adds_per_output_pixel']['useful']:,.0f}\n"
            f"{high['config']['optimizer']['name']}, {high['config']['steps']:,} steps"
            for high, _ in pairs
        ]
        axis.set_xticks(range(len(pairs)), ticks, fontsize=8)
        axis.set(title=benchmark, xlim=(-0.5, len(pairs) - 0.5))
    for side, label in enumerate(labels):
        axes[0].plot([], [], "o", color=f"C{1 - side}", label=label)
    axes[0].set_ylabel("gain over bicubic, dB")
    axes[0].legend(fontsize=8)
    _save(figure, "evidence_cost.png")


def _save(figure: Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(FOLDER / name, dpi=110)
    plt.close(figure)


def main() -> None:
    """Writes the plots."""
    mpl.use("agg")
    plot_spreads()
    plot_inits()
    plot_equal_cost()


if __name__ == "__main__":
    main()
