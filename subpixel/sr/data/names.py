"""Parses the names of files and folders: originals, LR images, or results.

Files:

====================================  ==================================================
`img_001_SRF_2_HR`, `..._LR`          SelfExSR; other endings (`_SRCNN`) are results
`Canon_001_HR`, `Canon_001_LR4`       RealSR
`baby_HR_x2`, `baby_LRBI_x2`          RCAN; also LRBD and LRDN
`0001`, `0001x2`, `0001x4m`           DIV2K; m is mild, d difficult, w1 to w4 wild
`panasonic_10_x4`, `panasonic_10_x1`  DRealSR
`baby_GT`, `baby_LQ`, `hr_1`, `lr_1`  others; also `baby.HR`, `baby (LR)`, `baby_low_res`
====================================  ==================================================

Some names have a meaning only beside a counterpart that is a whole number of times as large:
`set_LR_1` beside `set_HR_1`, `babyLR` beside `babyHR`, `baby_small` beside `baby_large`.

Folders of originals are named HR, GT, GTmod12, HQ, high_res, ground_truth, original or target,
folders of LR images LR, LQ, low_res or input. Both may have a prefix (`DIV2K_train_HR`); both may
name a scale, and LR folders a degradation (`DIV2K_train_LR_mild`, `LRbicx2`, `BIx4`). Upper and
lower case are the same.
"""

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["hr", "lr", "result", ""]

_SRF = re.compile(r"(?P<base>.+)_SRF_(?P<scale>\d+)_(?P<word>.+)", re.I)
_HR_WORD = r"(?:HR|GT|HQ|hi(?:gh)?[ _-]?res(?:olution)?|ground[ _-]?truth)"
_LR_WORD = r"(?:LR|LQ|low?[ _-]?res(?:olution)?)(?:[_-]?(?:bicubic|bic|unknown|BI|BD|DN))?"
_SCALE = r"(?:[_-]?x?(?P<scale>[2-9]|1[0-6]))?"
# What separates a word from the rest of a name: "_HR", " (HR)", ".HR".
_BEFORE, _AFTER = r"(?:[ ._-]+[(\[]?|[(\[])", r"[)\]]?"
_ROLES: tuple[tuple[Role, str], ...] = (("hr", _HR_WORD), ("lr", _LR_WORD))
_WORDS: tuple[tuple[Role, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern, re.I))
    for role, word in _ROLES
    for pattern in (
        rf"(?P<base>.+?){_BEFORE}{word}{_SCALE}{_AFTER}",
        rf"[(\[]?{word}{_SCALE}{_AFTER}[ ._-]+(?P<base>.+)",
    )
)
# Names that have a meaning only beside a counterpart.
_JOINED: tuple[tuple[Role, str, str], ...] = (
    ("hr", _HR_WORD, "HR|GT|HQ"),
    ("lr", _LR_WORD, "LR|LQ"),
)
_LOOSE: tuple[tuple[Role, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern))
    for role, word, short in _JOINED
    for pattern in (
        rf"(?P<base>.+[ ._-])(?i:{word}{_SCALE})[ ._-](?P<rest>.+)",
        rf"(?P<base>.*[a-z0-9])(?:{short}){_SCALE}",
        rf"(?i:{short})(?P<base>\d.*)",
    )
)
_SMALL = r"low|small|tiny|half|down(?:scaled|sampled)?|thumb(?:nail)?|bicubic|bic|input"
_LARGE = r"high|large|big|full|orig(?:inal)?|target|sharp"
_SIZES = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"(?P<base>.+?){_BEFORE}(?:(?P<small>{_SMALL})|{_LARGE}){_SCALE}{_AFTER}",
        rf"(?:(?P<small>{_SMALL})|{_LARGE})[ ._-]+(?P<base>.+)",
    )
)
_FACTOR = re.compile(
    r"(?P<base>.+?)"
    r"(?:[ _@-]?x(?P<scale>[1-9])(?:[md]|(?P<variant>w\d))?|[ _@-](?P<times>[2-9])x)",
    re.I,
)
_FOLDER_SCALE = r"(?:[_-]?x(?P<scale>\d+)|(?P<digit>[2-9])|[_-](?P<times>\d+)x)?"
_HR_FOLDER = re.compile(
    r"(?P<prefix>(?:.+[ _-]|(?-i:.*[a-z0-9](?=HR)))?)"
    rf"(?:GTmod\d+|{_HR_WORD}|originals?|targets?)"
    r"(?:[_-]?x\d+|[_-]\d+x)?(?P<suffix>(?:_sub)?)",
    re.I,
)
_LR_FOLDER = re.compile(
    r"(?P<prefix>(?:.+[ _-]|(?-i:.*[a-z0-9](?=LR)))?)"
    r"(?:LR|LQ|low?[ _-]?res(?:olution)?|inputs?)"
    r"(?:[_-](?P<kind>(?!sub|x?\d)[a-z]+?)|(?P<joined>bicubic|bic|unknown|BI|BD|DN))?"
    rf"{_FOLDER_SCALE}(?P<suffix>(?:_sub)?)",
    re.I,
)
_KIND_FOLDER = re.compile(r"(?P<kind>bicubic|bic|BI|BD|DN)[_-]?x(?P<scale>\d+)", re.I)
_SCALE_FOLDER = re.compile(r"(?P<mark>image_SRF_|x)?(?P<scale>\d{1,2})(?P<suffix>(?:_sub)?)", re.I)
_BICUBIC = frozenset({"bicubic", "bic", "bi"})


@dataclass(frozen=True)
class FileName:
    """The parts of an image's name.

    Attributes:
      base: the part that an original and its LR images have in common.
      role: "hr", "lr", "result" (output of a method), or "" if the name alone is not enough.
      scale: the scale that the name states, or None.
      variant: "w1" to "w4" for DIV2K's wild images, of which an original has four; otherwise "".
    """

    base: str
    role: Role = ""
    scale: int | None = None
    variant: str = ""


def parse_name(stem: str) -> FileName:
    """Splits the name of an image file, without its suffix.

    >>> parse_name("img_001_SRF_2_LR")
    FileName(base='img_001', role='lr', scale=2, variant='')
    >>> parse_name("0001x4w2")
    FileName(base='0001', role='', scale=4, variant='w2')
    """
    if found := _SRF.fullmatch(stem):
        word = found["word"].upper()
        role: Role = "hr" if word in ("HR", "GT") else "lr" if word == "LR" else "result"
        return FileName(found["base"], role, int(found["scale"]))
    for role, pattern in _WORDS:
        if found := pattern.fullmatch(stem):
            return FileName(found["base"], role, int(found["scale"]) if found["scale"] else None)
    if found := _FACTOR.fullmatch(stem):
        scale = int(found["scale"] or found["times"])
        return FileName(found["base"], "", scale, found["variant"] or "")
    return FileName(stem)


def loose_names(stem: str) -> list[FileName]:
    """Returns the parts of a name that has a meaning only beside a file of the other role.

    >>> loose_names("set_LR_1")
    [FileName(base='set_1', role='lr', scale=None, variant='')]
    """
    return [
        FileName(found["base"] + (found.groupdict().get("rest") or ""), role)
        for role, pattern in _LOOSE
        if (found := pattern.fullmatch(stem))
    ]


def parse_size_word(stem: str) -> tuple[str, bool] | None:
    """Returns the base of a name with a word for a size, and whether that word means small.

    >>> parse_size_word("baby_small"), parse_size_word("large baby")
    (('baby', True), ('baby', False))
    """
    found = next(filter(None, (pattern.fullmatch(stem) for pattern in _SIZES)), None)
    return found and (found["base"], found["small"] is not None)


def names_srf(stem: str) -> bool:
    """Returns whether a name follows SelfExSR's form, which states base, scale and role."""
    return _SRF.fullmatch(stem) is not None


@dataclass(frozen=True)
class FolderName:
    """The parts of the name of a folder of originals or of LR images.

    Attributes:
      prefix: what precedes "HR" or "LR", in lower case: "div2k_train_".
      kind: the degradation in lower case, "bicubic" for all of its abbreviations, or "".
      scale: the scale that the name states, or None.
      suffix: "_sub" for BasicSR's folders of sub-images, otherwise "".
    """

    prefix: str
    kind: str = ""
    scale: int | None = None
    suffix: str = ""


def parse_hr_folder(name: str) -> FolderName | None:
    """Splits the name of a folder of originals; None if it is not named as one.

    >>> parse_hr_folder("DIV2K_train_HR")
    FolderName(prefix='div2k_train_', kind='', scale=None, suffix='')
    """
    found = _HR_FOLDER.fullmatch(name)
    return found and FolderName(found["prefix"].lower(), suffix=found["suffix"].lower())


def parse_lr_folder(name: str) -> FolderName | None:
    """Splits the name of a folder of LR images; None if it is not named as one.

    >>> parse_lr_folder("LRbicx2")
    FolderName(prefix='', kind='bicubic', scale=2, suffix='')
    """
    if found := _KIND_FOLDER.fullmatch(name):
        return FolderName("", normalise_kind(found["kind"]), int(found["scale"]))
    found = _LR_FOLDER.fullmatch(name)
    if found is None:
        return None
    scale = found["scale"] or found["digit"] or found["times"]
    kind = normalise_kind(found["kind"] or found["joined"] or "")
    return FolderName(
        found["prefix"].lower(), kind, int(scale) if scale else None, found["suffix"].lower()
    )


def parse_scale_folder(name: str) -> FolderName | None:
    """Splits the name of a folder of one scale, such as X2, x4, 4, image_SRF_2 or X2_sub."""
    found = _SCALE_FOLDER.fullmatch(name)
    return found and FolderName("", "", int(found["scale"]), found["suffix"].lower())


def normalise_kind(kind: str) -> str:
    """Returns the name of a degradation in lower case, "bicubic" for its abbreviations."""
    return "bicubic" if kind.lower() in _BICUBIC else kind.lower()
