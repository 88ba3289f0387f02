"""DIV2K for TensorFlow Datasets."""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from subpixel.sr.data.catalogue import SETS
from subpixel.sr.data.lr_folders import find_lr
from subpixel.sr.datasets.tfds.builder import Builder, require_archive


class SubpixelDiv2k(Builder):
    """DIV2K's photographs and their LR images, as the original PNG files."""

    SPLITS: ClassVar = {"train": "train", "validation": "valid"}
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        tfds.core.BuilderConfig(
            name=f"{kind}_x{scale}", description=f"{kind} low resolution, x{scale}"
        )
        for kind in ("bicubic", "unknown")
        for scale in (2, 3, 4)
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(None, None, 3), encoding_format="png")
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            homepage=SETS["DIV2K/train"].homepage,
            features=tfds.features.FeaturesDict(
                {"name": tfds.features.Text(), "hr": image, "lr": image}
            ),
            supervised_keys=("lr", "hr"),
            disable_shuffling=True,
        )

    def _generate_examples(self, root: Path, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        kind, _, scale = self.info.full_name.split("/")[1].partition("_x")
        folder = SETS[f"DIV2K/{split}"].folder(root)
        if folder is None:
            yield from _from_archives(root, split, kind, int(scale))
            return
        pairs, _ = find_lr(folder, int(scale), kind)
        if pairs is None:
            raise FileNotFoundError(f"beside {folder} there is no folder LR_{kind}/X{scale}")
        for pair in pairs:
            yield pair.name, {"name": pair.name, "hr": pair.hr, "lr": pair.lr}


def _from_archives(
    root: Path, split: str, kind: str, scale: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    names = (f"DIV2K_{split}_HR.zip", f"DIV2K_{split}_LR_{kind}_X{scale}.zip")
    with ExitStack() as stack:
        hr, lr = (
            stack.enter_context(zipfile.ZipFile(require_archive(root, name))) for name in names
        )
        pairs = {Path(file).stem: file for file in sorted(hr.namelist()) if file.endswith(".png")}
        inside = f"DIV2K_{split}_LR_{kind}/X{scale}"
        for name, file in pairs.items():
            yield (
                name,
                {
                    "name": name,
                    "hr": hr.read(file),
                    "lr": lr.read(f"{inside}/{name}x{scale}.png"),
                },
            )
