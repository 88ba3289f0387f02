"""PSNR and SSIM of models on benchmarks, by a protocol that goes wherever the figures go."""

from subpixel.evaluation.figures import Figures, evaluate
from subpixel.evaluation.protocol import Protocol
from subpixel.evaluation.table import figures_table

__all__ = ["Figures", "Protocol", "evaluate", "figures_table"]
