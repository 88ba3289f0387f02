"""BSDS500 for TensorFlow Datasets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from subpixel.sr.data.catalogue import ARCHIVES, SETS
from subpixel.sr.data.contents import image_files
from subpixel.sr.datasets.archives import walk
from subpixel.sr.datasets.tfds.builder import Builder, require_archive

ARCHIVE = "BSR_bsds500.tgz"


class SubpixelBsds500(Builder):
    """The images of BSDS500, as the original JPEG files; "validation" is B100."""

    SPLITS: ClassVar = {"train": "train", "validation": "val", "test": "test"}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            homepage=SETS["BSDS500/train"].homepage,
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "hr": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                }
            ),
            disable_shuffling=True,
        )

    def _generate_examples(self, root: Path, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        folder = SETS[f"BSDS500/{split}"].folder(root)
        if folder is not None:
            for name, path in image_files(folder).items():
                yield name, {"name": name, "hr": path}
            return
        archive = require_archive(root, ARCHIVE)
        inside = next(k for k, v in ARCHIVES[ARCHIVE].places.items() if v == f"BSDS500/{split}")
        for _, file, content in walk(archive, [inside]):
            name = Path(file).stem
            yield name, {"name": name, "hr": content.read()}
