"""The frames of a video that are enlarged, and how: each other kind is refused in one line."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt

from subpixel.image._resize import axis_taps, combine
from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.photographs import Settings
from subpixel.sr.photo.plan import Size
from subpixel.sr.photo.strips import Strips

# Horizontal and vertical subsampling of chroma, and the format to ask FFmpeg for instead of others.
_SUBSAMPLINGS = {(1, 1): "444", (2, 1): "422", (2, 2): "420"}
_NEAREST = {(4, 1): "422", (4, 4): "420", (1, 2): "444"}
# ITU-T H.273: the matrices of RGB, BT.709, none stated and BT.601; the transfer of HDR10.
RGB_MATRIX, BT709, UNSTATED, BT601, _PQ = 0, 1, 2, 6, 16
FULL_RANGE = 2
TRANSPARENCY = "the transparency of the video was left out"
_HDR = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "DYNAMIC_HDR_PLUS", "DOVI_METADATA")
# Players take a video of at most this height without a stated matrix for BT.601, and a larger one
# for BT.709.
_SD_HEIGHT = 576
# Red, green and blue in Y of BT.709.
_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class FrameShape:
    """The properties that all frames of a video share, and those of the result.

    Attributes:
      target: width and height before the crop to sizes that the format can hold.
      planar: the format in which a frame is read: Y, Cb and Cr, Y alone, or RGB.
      format: of the result.
      subsampling: of chroma, horizontally and vertically.
      full_range: whether black is 0 and white the largest value, and not 16 and 235 of 255.
      matrix: of the result, as in ITU-T H.273.
    """

    width: int
    height: int
    new_width: int
    new_height: int
    target: tuple[int, int]
    planar: str
    format: str
    bits: int
    subsampling: tuple[int, int]
    full_range: bool
    matrix: int
    notes: tuple[str, ...] = ()

    @property
    def dtype(self) -> type:
        """NumPy's type of a value."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def levels(self) -> tuple[float, float]:
        """Black of Y, and its distance from white."""
        unit = 2 ** (self.bits - 8)
        return (0.0, 2.0**self.bits - 1) if self.full_range else (16.0 * unit, 219.0 * unit)


def ffmpeg_command(path: Path, options: str) -> str:
    """Returns the command that makes a file acceptable without further loss."""
    source, target = shlex.quote(str(path)), shlex.quote(f"{path.stem}_converted.mkv")
    return f"ffmpeg -i {source} -map 0 -c copy -c:v ffv1 {options} {target}"


def frame_shape(frame: Any, path: Path, size: Size, has_grey: bool) -> FrameShape:
    """Returns how the frames of a video are enlarged, by the first; `has_grey` is of the encoder.

    Raises:
      InputError: with FFmpeg's command that helps, if frames of this kind are not enlarged.
    """
    _refuse_mirrored(frame, path)
    _refuse_hdr(frame, path)
    name, parts = frame.format.name, frame.format.components
    rgb = frame.format.is_rgb or frame.format.has_palette
    colour = rgb or sum(not part.is_alpha for part in parts) > 1
    alpha = any(part.is_alpha for part in parts)
    bits = max(part.bits for part in parts if not part.is_alpha)
    same = all(part.bits == bits for part in parts if not part.is_alpha)
    subsampling = _subsampling(frame.format) if colour and not rgb else (1, 1)
    known = bits == 8 or (bits == 10 and not (rgb and alpha))
    odd = frame.format.is_bayer or frame.format.has_palette
    if not (known and same) or odd or subsampling not in _SUBSAMPLINGS:
        kind = _SUBSAMPLINGS.get(subsampling) or _NEAREST.get(subsampling, "444")
        near = "gbrp" if rgb else f"yuv{kind}p" if colour else "gray"
        command = ffmpeg_command(path, f"-pix_fmt {near}{'10le' if bits > 8 else ''}")
        raise InputError(
            f"{path} has the pixel format {name}, and 8 and 10 bits in 4:2:0, 4:2:2, 4:4:4, grey "
            f"and RGB are enlarged: {command}"
        )
    depth = "10le" if bits == 10 else ""
    notes = []
    planar = f"yuv{_SUBSAMPLINGS[subsampling]}p{depth}" if colour else f"gray{depth}"
    encoded, matrix = planar, int(frame.colorspace)
    if rgb:
        planar, matrix = "gbrp10le" if depth else "rgb24", BT709
        notes.append(f"{name} became {encoded}, with the matrix of BT.709 in full range")
    elif matrix == RGB_MATRIX:
        matrix = UNSTATED
    if not colour and not has_grey:
        encoded, subsampling = f"yuv420p{depth}", (2, 2)
        notes.append(f"{name} became {encoded}, whose colours are grey")
    if alpha:
        notes.append(TRANSPARENCY)
    width, height = size.of(frame.width, frame.height)
    across, down = subsampling
    new_width, new_height = width // across * across, height // down * down
    if (new_width, new_height) != (width, height):
        notes.append(
            f"{width}x{height} was cropped to {new_width}x{new_height}: {encoded} needs even sizes"
        )
    if colour and matrix == UNSTATED and frame.height <= _SD_HEIGHT < new_height:
        matrix = BT601
    return FrameShape(
        frame.width,
        frame.height,
        new_width,
        new_height,
        (width, height),
        # In "yuvj" values are the same, and full range is stated by the name.
        name if name.startswith("yuvj") else planar,
        encoded,
        bits,
        subsampling,
        rgb or not colour or name.startswith("yuvj") or frame.color_range == FULL_RANGE,
        matrix,
        tuple(notes),
    )


def _subsampling(form: Any) -> tuple[int, int]:
    # 16 is divisible by every subsampling that there is.
    return 16 // form.chroma_width(16), 16 // form.chroma_height(16)


def _refuse_mirrored(frame: Any, path: Path) -> None:
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return
    a, b, _, c, d, *_ = (int(value) for value in np.frombuffer(data, np.int32))
    upright = a * d - b * c > 0 and 0 in (a, b)
    if not upright:
        raise InputError(
            f"{path} is to be shown mirrored or at an angle: "
            f"{ffmpeg_command(path, '-autorotate 1')} applies that"
        )


def _refuse_hdr(frame: Any, path: Path) -> None:
    if frame.color_trc == _PQ or any(name in frame.side_data for name in _HDR):
        tone = "zscale=t=linear:npl=100,tonemap=hable,zscale=p=bt709:t=bt709:m=bt709:r=tv"
        command = ffmpeg_command(path, f"-vf {tone},format=yuv420p10le")
        raise InputError(f"{path} is HDR10 or Dolby Vision, whose data are not kept: {command}")


def refuse_interlaced(frame: Any, path: Path) -> None:
    """Refuses a frame of two fields.

    Raises:
      InputError: with FFmpeg's command that helps.
    """
    if frame.interlaced_frame:
        command = ffmpeg_command(path, "-vf bwdif")
        raise InputError(
            f"{path} is interlaced: {command} (or -vf setfield=prog, if its frames are whole)"
        )


def enlarge_frame(
    planes: Sequence[Float32[np.ndarray, "_ _"]], shape: FrameShape, settings: Settings
) -> list[UInt[np.ndarray, "_ _"]]:
    """Returns the enlarged planes: Y, and Cb and Cr if there are any, in levels of the frame."""
    luma = _enlarge_luma(planes[0], shape, settings)
    if len(planes) == 1 and not shape.format.startswith("gray"):
        across, down = shape.subsampling
        grey = np.full((shape.new_height // down, shape.new_width // across), 2 ** (shape.bits - 1))
        return [luma, *[grey.astype(shape.dtype)] * 2]
    return [luma, *(_enlarge_chroma(plane, shape) for plane in planes[1:])]


def planes_of_rgb(
    rgb: UInt[np.ndarray, "h w 3"], bits: int
) -> tuple[Float32[np.ndarray, "h w"], ...]:
    """Returns Y, Cb and Cr of RGB by the matrix of BT.709 in full range: ITU-T H.273, 8.3."""
    values = rgb.astype(np.float32)
    luma, middle = values @ _WEIGHTS, np.float32(2 ** (bits - 1))
    red, _, blue = _WEIGHTS
    return (
        luma,
        (values[..., 2] - luma) / (2 * (1 - blue)) + middle,
        (values[..., 0] - luma) / (2 * (1 - red)) + middle,
    )


def _enlarge_luma(plane: np.ndarray, shape: FrameShape, settings: Settings) -> np.ndarray:
    black, span = shape.levels
    grey = ((plane - np.float32(black)) / np.float32(span))[..., None]
    strips = settings.enlarged(Strips(shape.height, shape.width, 1, iter([grey])))
    result = np.concatenate(list(strips.rows))[: shape.new_height, : shape.new_width, 0]
    # Values above white or below black are kept.
    return _quantised(result * span + black, shape)


def _enlarge_chroma(plane: np.ndarray, shape: FrameShape) -> np.ndarray:
    # Samples lie at the left of their two pixels (MPEG-2, H.264), in the input and the output.
    left = shape.subsampling[0] == 2
    columns = _taps(plane.shape[1], shape.target[0] / shape.width, left)
    rows = _taps(plane.shape[0], shape.target[1] / shape.height)
    result = combine(combine(plane, 1, *columns), 0, *rows)
    across, down = shape.subsampling
    return _quantised(result[: shape.new_height // down, : shape.new_width // across], shape)


def _taps(size: int, factor: float, left: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Returns pixels and weights of a bicubic resize.

    With `left`, samples lie a quarter of their distance left of the centre.
    """
    shift = 0.25 - 0.25 / factor if left else 0.0
    indices, weights = axis_taps(size, factor, True, "replicate", shift)
    return indices, weights.astype(np.float32)


def _quantised(values: np.ndarray, shape: FrameShape) -> np.ndarray:
    peak = 2**shape.bits - 1
    return (values.clip(0, peak) + np.float32(0.5)).astype(shape.dtype)
