"""Runs exported networks in ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Real

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.packages import require_package


class OnnxNetwork:
    """An exported network in ONNX Runtime, called in the same way as the network.

    Attributes:
      scale: r.
      channels: of input and output: 1 for luma, 3 for RGB.
      radius: how many low-resolution pixels to each side an output pixel depends on.
      uint8: whether input and output are uint8 in 0..255 instead of float32 in 0..1.
      metadata: the facts in the file: name, version, license, training data and more.

    Raises:
      InputError: if ONNX Runtime is not installed, or the file is damaged or not one of ours.
    """

    def __init__(self, model: Path | bytes, threads: int | None = None):
        runtime: Any = require_package("onnxruntime", "running an ONNX model")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        source = str(model) if isinstance(model, Path) else "the model"
        # The CPU gives the same numbers everywhere.
        providers = ["CPUExecutionProvider"]
        try:
            content = model.read_bytes() if isinstance(model, Path) else model
            self._session = runtime.InferenceSession(content, options, providers=providers)
        except Exception as error:
            # ONNX Runtime's errors share no base class but Exception.
            raise InputError(f"{source} cannot be run by ONNX Runtime: {error}") from error
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        try:
            self.scale, self.channels, self.radius = (
                int(self.metadata[key]) for key in ("scale", "channels", "radius")
            )
        except (KeyError, ValueError) as error:
            raise InputError(
                f"{source} does not state scale, channels and radius ({error}): only files of "
                "`python -m subpixel export` are run"
            ) from None
        self.uint8 = self._session.get_inputs()[0].type == "tensor(uint8)"

    def __call__(
        self, x: Real[np.ndarray, "n h w {self.channels}"]
    ) -> Real[np.ndarray, "n {self.scale}*h {self.scale}*w {self.channels}"]:
        """(n, h, w, channels) -> (n, r*h, r*w, channels).

        float32 in 0..1 gives float32, not clipped; a uint8 model takes and gives uint8 in 0..255.
        """
        dtype = np.uint8 if self.uint8 else np.float32
        planes = np.ascontiguousarray(np.moveaxis(np.asarray(x, dtype), -1, 1))
        (output,) = self._session.run(None, {"input": planes})
        return np.moveaxis(output, 1, -1)
