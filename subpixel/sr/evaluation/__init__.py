"""PSNR and SSIM of models on benchmarks, with the protocol of the measurement."""

from typing import TYPE_CHECKING

from subpixel._lazy import lazy_names

if TYPE_CHECKING:
    from subpixel.sr.evaluation.protocol import Protocol
    from subpixel.sr.evaluation.scores import Scores, evaluate
    from subpixel.sr.evaluation.table import scores_table

__all__ = ["Protocol", "Scores", "evaluate", "scores_table"]

__getattr__ = lazy_names(
    __name__,
    {
        "Protocol": "protocol",
        "Scores": "scores",
        "evaluate": "scores",
        "scores_table": "table",
    },
)
