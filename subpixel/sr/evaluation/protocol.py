"""How scores are measured: every choice that affects a PSNR, in one frozen object.

Conventions that people ask for have names:

===========  ==================================================================================
matlab       MATLAB's functions on 8-bit RGB images: the protocol of this project
basicsr      originals cropped to a multiple of 12, Y left in double: BasicSR's `calculate_psnr`
             with `test_y_channel` and `crop_border` = scale, on its GTmod12 folders
esr          full-range luma, Pillow's mode L: the released code of edge-SR
srcnn        8-bit luma, shrunk and enlarged in double and rounded once at the end, grey files by
             their stored values: the way of SRCNN's and VDSR's MATLAB scripts, whose bicubic row
             papers still print
===========  ==================================================================================
"""

from dataclasses import KW_ONLY, asdict, dataclass, fields, replace
from typing import Any, Literal, Self

from subpixel.image import Border, LumaRange
from subpixel.sr._support.errors import InputError
from subpixel.sr.data.degradation import BICUBIC, Degradation, Kind
from subpixel.sr.serialization import check_fields, require, structure

ProtocolName = Literal["matlab", "basicsr", "esr", "srcnn"]
Channel = Literal["y", "rgb"]
Rounding = Literal["8bit", "double"]
LrFrom = Literal["rgb", "luma", "files"]
Grey = Literal["luma", "stored"]

PROTOCOLS: dict[ProtocolName, dict[str, Any]] = {
    "matlab": {},
    "basicsr": {"crop": 12, "rounding": "double"},
    "esr": {"luma_range": "full"},
    "srcnn": {
        "lr_from": "luma",
        "grey": "stored",
        "degradation": Degradation(border="replicate"),
    },
}


@dataclass(frozen=True)
class Protocol:
    """How scores are measured.

    Attributes:
      scale: r.
      crop: the original is cropped at the right and bottom to a multiple of this; 0 means r.
      channel: the measured channels: "y", luma, or "rgb", all three together.
      luma_range: "studio", 16..235, or "full", 0..255.
      rounding: "8bit": Y is rounded to 8 bits before it is measured. "double": it is computed from
        the 8-bit image and not rounded again.
      degradation: how LR images are made.
      lr_from: the source of LR images: "rgb", the 8-bit image; "luma", its 8-bit luma, resized in
        double and rounded only after upscaling; or "files", the LR images of the set.
      grey: how files with one channel are measured: "luma" repeats it for R, G and B and treats
        the image as colour; "stored" measures the stored values, without a change of range.
      shave: pixels excluded at every border; -1 means r.
      self_ensemble: whether the output is the mean over the eight flips and rotations of the
        input.

    Raises:
      InputError: if the values contradict each other.
    """

    scale: int
    _: KW_ONLY
    crop: int = 0
    channel: Channel = "y"
    luma_range: LumaRange = "studio"
    rounding: Rounding = "8bit"
    degradation: Degradation = BICUBIC
    lr_from: LrFrom = "rgb"
    grey: Grey = "luma"
    shave: int = -1
    self_ensemble: bool = False

    def __post_init__(self):
        check_fields(self)
        # Two protocols that measure the same must be equal, so values that mean r become r.
        object.__setattr__(self, "crop", self.crop or self.scale)
        object.__setattr__(self, "shave", self.scale if self.shave == -1 else self.shave)
        if self.crop < 1 or self.crop % self.scale:
            raise InputError(f"crop must be a multiple of the scale, {self.scale}; got {self.crop}")
        if self.shave < 0:
            raise InputError(f"shave must be a number of pixels, at least 0; got {self.shave}")
        if self.lr_from == "luma" and (self.channel == "rgb" or self.degradation.kind != "bicubic"):
            raise InputError(
                'lr_from "luma" goes with channel "y" and bicubic; got channel '
                f'"{self.channel}" and "{self.degradation.kind}"'
            )

    @classmethod
    def named(
        cls,
        name: ProtocolName,
        scale: int,
        *,
        degradation: Kind | None = None,
        border: Border | None = None,
        sigma: float | None = None,
        kernel_size: int | None = None,
        **choices: Any,
    ) -> Self:
        """Returns a convention by its name, with the choices that are not None.

        `degradation` is its kind; border, sigma and kernel_size are of it, as in `Degradation`.

        Raises:
          InputError: if the name is unknown, or the values do not go together.
        """

        def given(**values: Any) -> dict[str, Any]:
            return {name: value for name, value in values.items() if value is not None}

        if name not in PROTOCOLS:
            raise InputError(f"unknown protocol {name!r}: there is {', '.join(PROTOCOLS)}")
        values = {"degradation": BICUBIC, **PROTOCOLS[name], **given(**choices)}
        changes = given(kind=degradation, border=border, sigma=sigma, kernel_size=kernel_size)
        values["degradation"] = replace(values["degradation"], **changes)
        return cls(scale, **values)

    @property
    def name(self) -> str:
        """The name of this convention, or "custom"; self-ensemble is not considered."""
        for name in PROTOCOLS:
            if self == self.named(name, self.scale, self_ensemble=self.self_ensemble):
                return name
        return "custom"

    def describe(self) -> str:
        """Returns the protocol in one line."""
        lr = {
            "rgb": f"LR images by {self.degradation.describe()}",
            "luma": "LR images of 8-bit luma by MATLAB's imresize, bicubic, in double, "
            f"{self.degradation.border} border",
            "files": "LR images from the files of the set",
        }[self.lr_from]
        measured = f"BT.601 {self.luma_range}-range luma" if self.channel == "y" else "RGB"
        if self.channel == "y":
            measured += " rounded to 8 bits" if self.rounding == "8bit" else " in double"
        parts = [
            f"{self.name} x{self.scale}: original cropped to a multiple of {self.crop}",
            lr,
            f"PSNR and SSIM of {measured}, {self.shave} pixels shaved from every side, peak 255",
            *(["grey files by their stored values"] if self.grey == "stored" else []),
            *(["output the mean over eight flips and rotations"] if self.self_ensemble else []),
            "mean over images",
        ]
        return "; ".join(parts)

    def to_json(self, description: str = "") -> dict[str, Any]:
        """Returns the protocol as it is stored beside scores, by default with its own line."""
        return {**asdict(self), "name": self.name, "description": description or self.describe()}

    @classmethod
    def from_json(cls, values: dict[str, Any], source: str) -> Self:
        """Undoes `to_json`.

        Args:
          values: what `to_json` returned.
          source: the file of the values, for the message.

        Raises:
          InputError: if a field is missing or of the wrong kind.
        """
        known = {field.name for field in fields(cls)}
        try:
            require(isinstance(values, dict), f"it must be a JSON object; got {values!r}")
            values = rename_earlier(values)
            if missing := known - set(values):
                raise InputError(f"it does not say {', '.join(sorted(missing))}")
            return structure({key: values[key] for key in known}, cls)
        except InputError as error:
            raise InputError(f"the protocol in {source} cannot be read: {error}") from error


def rename_earlier(values: dict[str, Any]) -> dict[str, Any]:
    """Returns JSON values by their present names: "lr_from" was "low_from" in earlier versions."""
    return {"lr_from" if key == "low_from" else key: value for key, value in values.items()}


def differing_fields(protocols: list[Protocol]) -> list[str]:
    """Returns the names of the fields in which protocols differ."""
    return [
        field.name
        for field in fields(Protocol)
        if len({getattr(protocol, field.name) for protocol in protocols}) > 1
    ]
