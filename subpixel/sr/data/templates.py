"""The layouts in which sets of images lie on disk, as templates.

Fields of a template: `{name}` of the image, `{r}` the scale, `{x}` "x" with the scale or nothing,
`{kind}` of the degradation, `{set}` any text. Folders match in upper and lower case.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Folder and file name, without suffix, of the originals and of their LR images.

    Attributes:
      folder: of the originals, in that of the set.
      name: of an original.
      lr_folder: of the LR images, in the folder of the set.
      lr_name: of an LR image; "" if there are none.
      kind: the degradation of the LR images, where the folder's name does not state it.
    """

    folder: str
    name: str
    lr_folder: str = ""
    lr_name: str = ""
    kind: str = ""


LAYOUTS = (
    Layout("HR", "{name}", "LR_{kind}/X{r}", "{name}{x}"),  # EDSR's benchmarks
    Layout("HR", "{name}", "LR/X{r}", "{name}{x}"),
    Layout("HR", "{name}", "LR", "{name}{x}"),
    Layout("GT", "{name}", "LQ", "{name}{x}"),
    Layout("GTmod12", "{name}", "LRbicx{r}", "{name}{x}", kind="bicubic"),  # BasicSR
    Layout("{set}_HR", "{name}", "{set}_LR_{kind}/X{r}", "{name}{x}"),  # DIV2K, Flickr2K
    Layout("image_SRF_{r}", "{name}_SRF_{r}_HR", "image_SRF_{r}", "{name}_SRF_{r}_LR"),  # SelfExSR
    Layout("", "{name}_HR", "", "{name}_LR{r}"),  # RealSR
    Layout("", "{name}_HR", "", "{name}_LR"),
    Layout("", "{name}", "", "{name}x{r}"),
    Layout("", "{name}"),
)

_FIELDS = {"name": ".+", "set": ".+", "kind": "[a-z]+", "r": r"\d+", "x": r"(?:x\d+)?"}
# The name of a folder of LR images, also of one that fits no layout.
LR_FOLDER = re.compile(r"(.+_)?(LR|LQ)(bi\w*|[_x\d-].*)?", re.I)
# "LR" or "LQ" as a word in the name of a file, as in a_LR, LR_a and a.LR4, and not in DSLR.
LR_WORD = re.compile(r"(?<![a-z])(LR|LQ)(?![a-z])", re.I)
_SPLITS = frozenset({"train", "valid", "val", "test"})


def match(template: str, name: str) -> dict[str, str] | None:
    """Returns the fields of a template that fit a name, or None.

    >>> match("image_SRF_{r}", "image_SRF_4")
    {'r': '4'}
    """
    found = _pattern(template).fullmatch(name)
    return found and found.groupdict()


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts, seen = [], set()
    for text, field in re.findall(r"([^{]*)(?:\{(\w+)\})?", template):
        parts.append(re.escape(text))
        if field:
            parts.append(f"(?P={field})" if field in seen else f"(?P<{field}>{_FIELDS[field]})")
            seen.add(field)
    return re.compile("".join(parts), re.IGNORECASE)


def set_name(folder: Path) -> str:
    """Returns the name of the set that a folder holds: "Set5" for Set5, Set5/HR, Set5/GTmod12.

    A split is named with its set: "BSDS500_val", "DIV2K_valid".
    """
    name, parent = folder.name or folder.resolve().name, folder.parent
    for template in dict.fromkeys(layout.folder for layout in LAYOUTS if layout.folder):
        fields = match(template, name)
        if fields is not None and (parent.name or "set" in fields):
            return fields.get("set") or set_name(parent)
    return f"{parent.name}_{name}" if name.lower() in _SPLITS and parent.name else name
