"""Super-resolution: networks, training, evaluation and the commands, over the library."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from subpixel.sr.targets import load
    from subpixel.sr.upscaling.arrays import upscale

__all__ = ["load", "upscale"]


def __getattr__(name: str) -> Any:
    # Loaded when it is first used: `import subpixel.sr.config` must stay light.
    if name == "upscale":
        from subpixel.sr.upscaling.arrays import upscale

        return upscale
    if name == "load":
        from subpixel.sr.targets import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
