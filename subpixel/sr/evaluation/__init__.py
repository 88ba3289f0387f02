"""PSNR and SSIM of models on benchmarks, by a protocol that goes wherever the scores go."""

from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import Scores, evaluate
from subpixel.sr.evaluation.table import scores_table

__all__ = ["Protocol", "Scores", "evaluate", "scores_table"]
