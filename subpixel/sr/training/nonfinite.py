"""What is kept of a step whose loss or gradient was not finite."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from subpixel.sr.data.patches import Batch
from subpixel.sr.files import write_bytes, write_json


def keep_evidence(
    workdir: Path, step: int, upsampler: str, measured: dict[str, Any], batch: Batch
) -> Path:
    """Writes the batch and what was measured of a step to `workdir/nonfinite/STEP`.

    Args:
      workdir: of the run.
      step: its number, counted from 1.
      upsampler: of the network.
      measured: its loss and norms.
      batch: what the step was given.

    Returns:
      The folder, which holds `batch.npz` and `step.json`.
    """
    folder = workdir / "nonfinite" / str(step)
    content = io.BytesIO()
    np.savez_compressed(content, lr=batch["lr"], hr=batch["hr"])
    write_bytes(folder / "batch.npz", content.getvalue())
    # JSON has no word for infinity.
    values = {k: v if math.isfinite(v) else str(v) for k, v in measured.items()}
    write_json(folder / "step.json", {"step": step, "upsampler": upsampler, **values})
    return folder
