"""The process of PyTorch for time_to_quality.py: a training that stops and goes on.

The first line of standard input is a JSON object with the arguments of `Training`. Each further
line is ``{"seconds": S}``, which trains for about S seconds, or ``{"enlarge": FILE, "to": FILE}``,
which enlarges the images of a file by the averaged network. Each is answered with a line of JSON.
"""

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from time_to_quality import load_images, save_images
from torch.optim.swa_utils import AveragedModel

from subpixel.sr.config import Experiment
from subpixel.sr.data.patches import PatchCutter, batches
from subpixel.sr.serialization import from_json


class Training:
    """A training with Adam and the mean absolute error.

    Args:
      code: Python source that defines the module `model`.
      folder: path of the folder with weights.pth, and the images lr.npz and hr.npz.
      experiment: config of the training, as JSON.
    """

    def __init__(self, *, code: str, folder: str, experiment: dict[str, Any]):
        config = from_json(experiment, Experiment, "the request")
        names: dict = {}
        exec(code, names)
        model = names["model"]
        model.load_state_dict(torch.load(Path(folder, "weights.pth"), weights_only=True))
        # The faster layout in the benchmark of training steps.
        self.model = model.to(memory_format=torch.channels_last)
        optimizer = config.optimizer
        b1, b2 = optimizer.b1, optimizer.b2
        assert b1 is not None
        assert b2 is not None
        self.average = AveragedModel(model, avg_fn=partial(average, optimizer.ema_decay))
        # It holds the initial parameters: otherwise those of the first step would replace them.
        self.average.n_averaged.fill_(1)
        self.optimizer = torch.optim.Adam(
            model.parameters(),
            lr=optimizer.learning_rate,
            betas=(b1, b2),
            fused=True,
        )
        lr, hr = (load_images(Path(folder, f"{name}.npz")) for name in ("lr", "hr"))
        pairs = list(zip(lr, hr, strict=True))
        cutter = PatchCutter.from_config(pairs, config.model.scale, config.data)
        self.batches = batches(cutter, steps=sys.maxsize, seed=0)
        self.steps = 0

    def advance(self, seconds: float) -> float:
        """Trains for about so many seconds, and returns how many it were."""
        began = time.perf_counter()
        while time.perf_counter() < began + seconds:
            lr, hr = (as_tensor(next_batch) for next_batch in next(self.batches).values())
            self.optimizer.zero_grad()
            torch.nn.functional.l1_loss(self.model(lr), hr).backward()
            self.optimizer.step()
            self.average.update_parameters(self.model)
            self.steps += 1
        return time.perf_counter() - began

    @torch.no_grad()
    def enlarge(self, lr: list[np.ndarray]) -> list[np.ndarray]:
        """Returns the enlarged luma in 0..255, not rounded."""
        enlarged = (self.average(as_tensor(image[None])) * 255 for image in lr)
        return [image[0].permute(1, 2, 0).contiguous().numpy() for image in enlarged]


def average(decay: float, mean, value, steps):
    """Returns the moving average after a step, as `train_step` of this project computes it."""
    t = float(steps) - 1
    return mean + (1 - min(decay, (1 + t) / (10 + t))) * (value - mean)


def as_tensor(images: np.ndarray) -> torch.Tensor:
    """Returns images (n, h, w, c) in 0..1 as (n, c, h, w), whose memory stays channels-last."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def main() -> None:
    training = Training(**json.loads(sys.stdin.readline()))
    facts = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        order, reply = json.loads(line), {}
        if "seconds" in order:
            reply = {"seconds": training.advance(order["seconds"]), "steps": training.steps}
        else:
            save_images(Path(order["to"]), training.enlarge(load_images(Path(order["enlarge"]))))
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
