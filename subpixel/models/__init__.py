"""Networks for super-resolution, each in a small file."""

from subpixel.models.espcn import ESPCN

__all__ = ["ESPCN"]
