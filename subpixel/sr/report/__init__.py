"""The report page of a comparison of upsamplers: one HTML file that needs nothing else."""

from typing import TYPE_CHECKING

from subpixel._lazy import lazy_names

if TYPE_CHECKING:
    from subpixel.sr.report.images import SourceImage
    from subpixel.sr.report.page import write_report
    from subpixel.sr.report.selection import select_images

__all__ = ["SourceImage", "select_images", "write_report"]

__getattr__ = lazy_names(
    __name__,
    {
        "SourceImage": "images",
        "write_report": "page",
        "select_images": "selection",
    },
)
