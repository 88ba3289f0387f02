"""Files about a step whose loss or gradient norm is not finite."""

import io
import math
from pathlib import Path

import numpy as np

from subpixel.sr._support.files import write_bytes, write_json
from subpixel.sr.data.patches import Batch


def save_nonfinite_step(
    workdir: Path, step: int, upsampler: str, measured: dict[str, float], batch: Batch
) -> Path:
    """Writes the batch of a step, its loss and its gradient norm to `workdir/nonfinite/STEP`.

    Args:
      workdir: folder of the run.
      step: number of the step, counted from 1.
      upsampler: name of the network's upsampler.
      measured: loss and gradient norm.
      batch: input of the step.

    Returns:
      The folder, which holds `batch.npz` and `step.json`.
    """
    folder = workdir / "nonfinite" / str(step)
    content = io.BytesIO()
    np.savez_compressed(content, lr=batch["lr"], hr=batch["hr"])
    write_bytes(folder / "batch.npz", content.getvalue())
    # As strings, since JSON has neither infinity nor NaN.
    values = {k: v if math.isfinite(v) else str(v) for k, v in measured.items()}
    write_json(folder / "step.json", {"step": step, "upsampler": upsampler, **values})
    return folder
