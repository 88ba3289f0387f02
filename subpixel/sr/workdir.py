"""The workdir of a run.

======================  =========================================================
config.json             the experiment, resolved: enough to repeat the run
images.json             names and digests of the training images, which a resume compares
metrics.jsonl           one record per line: loss, validation PSNR, seconds
checkpoints/            the newest, from which the run resumes, and the best
tensorboard/            the same records for TensorBoard, and sample images
profile/                trace of --profile
nonfinite/STEP/         batch, loss and gradient norm of a step that was not finite
weights/NAME            trained network of an upsampler, NAME.safetensors
comparison.json         scores, speed, protocol, settings, environment
report.html             the page
traceback.txt           the error, if measuring a finished training failed
======================  =========================================================
"""

from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.files import check_folder, write_json
from subpixel.sr.config import Experiment
from subpixel.sr.serialization import differences, read_json, to_json


def weights_file(workdir: Path, upsampler: str) -> Path:
    """Returns the path of the weights of an upsampler."""
    return workdir / "weights" / f"{upsampler}.safetensors"


def check_workdir(workdir: Path, experiment: Experiment) -> None:
    """Checks that a workdir is new, or was made with the same config.

    Raises:
      InputError: naming every field that differs, if it was made with another config; or the file
        that is where a folder must be; or the name, if it is not UTF-8.
    """
    check_folder(workdir)
    try:
        str(workdir.resolve()).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"workdir {workdir} has a name that is not UTF-8, in which Orbax writes no "
            "checkpoint: give another --workdir"
        ) from None
    if not (workdir / "config.json").exists():
        return
    changed = differences(read_config(workdir), experiment)
    if changed:
        raise InputError(
            f"workdir {workdir} was made with another config ({'; '.join(changed)}): "
            "give another --workdir, or the options that it was made with"
        )


def claim_workdir(workdir: Path, experiment: Experiment) -> None:
    """Writes config.json into a new workdir, or checks that it was made with the same config.

    Raises:
      InputError: naming every field that differs, if it was made with another config.
      OSError: if the workdir cannot be written.
    """
    check_workdir(workdir, experiment)
    path = workdir / "config.json"
    if not path.exists():
        write_json(path, to_json(experiment))


def read_config(workdir: Path) -> Experiment:
    """Returns the experiment that a workdir was made with.

    Raises:
      InputError: if config.json is missing or cannot be read.
    """
    path = workdir / "config.json"
    if not path.exists():
        raise InputError(
            f"{path} cannot be read: {workdir} is no workdir of train.py, which has this file"
        )
    return read_json(path, Experiment)
