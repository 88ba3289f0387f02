"""The report page of a comparison of upsamplers: one HTML file that needs nothing else."""

from subpixel.report.page import write_report
from subpixel.report.pictures import Picture

__all__ = ["Picture", "write_report"]
