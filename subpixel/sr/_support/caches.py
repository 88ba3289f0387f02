"""The folder of this project's caches; light to import."""

import os
from pathlib import Path

import platformdirs


def cache_root(given: Path | None = None) -> Path:
    """Returns the folder of all caches: `given`, SUBPIXEL_CACHE, or the user's cache folder."""
    if given is None and "SUBPIXEL_CACHE" in os.environ:
        given = Path(os.environ["SUBPIXEL_CACHE"])
    return platformdirs.user_cache_path("subpixel", appauthor=False) if given is None else given
