"""The report page of a comparison of upsamplers: one HTML file that needs nothing else."""

from subpixel.sr.report.images import SourceImage
from subpixel.sr.report.page import write_report
from subpixel.sr.report.selection import select_images

__all__ = ["SourceImage", "select_images", "write_report"]
