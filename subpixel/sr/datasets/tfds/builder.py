"""What both builders share."""

from pathlib import Path

import tensorflow_datasets as tfds

from subpixel.sr.data.catalogue import ARCHIVES


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Prepares a set from what the user has in `manual_dir`: archives, or folders of images."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Give DownloadConfig(manual_dir=FOLDER), where FOLDER holds the set: its archives, or its "
        "folders as docs/data.md of subpixel shows them."
    )

    def __init__(self, *, file_format=None, **options):
        # TFDS's default, TFRecord, is written and read by TensorFlow only, and says so at the end.
        super().__init__(file_format=file_format or "array_record", **options)


def require_archive(folder: Path, name: str) -> Path:
    """Returns an archive in `folder`.

    Raises:
      FileNotFoundError: saying where it is had, if it is not there.
    """
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(
            f"neither the images nor {name} are in {folder}: it is had from {ARCHIVES[name].url}"
        )
    return path
