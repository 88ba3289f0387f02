"""The base of both builders."""

from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from subpixel.sr.data.catalogue import ARCHIVES


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Prepares a set from the archives or folders of images in `manual_dir`."""

    SPLITS: ClassVar[dict[str, str]]
    """The name of each split in the catalogue, by its name in TFDS."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Give DownloadConfig(manual_dir=FOLDER), where FOLDER holds the set: its archives, or its "
        "folders as docs/data.md of subpixel shows them."
    )

    def __init__(self, *, file_format=None, **options):
        # TFDS's default, TFRecord, needs TensorFlow, and the error comes only at the end.
        super().__init__(file_format=file_format or "array_record", **options)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        root = Path(dl_manager.manual_dir)
        return {name: self._generate_examples(root, split) for name, split in self.SPLITS.items()}


def require_archive(folder: Path, name: str) -> Path:
    """Returns an archive in `folder`.

    Raises:
      FileNotFoundError: if it is missing; the message states its address.
    """
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(
            f"neither the images nor {name} are in {folder}: download it from {ARCHIVES[name].url}"
        )
    return path
