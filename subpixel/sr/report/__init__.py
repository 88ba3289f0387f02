"""The report page of a comparison of upsamplers: one HTML file that needs nothing else."""

from subpixel.sr.report.images import SourceImage
from subpixel.sr.report.page import write_report

__all__ = ["SourceImage", "write_report"]
