"""Statistics of trainings with several seeds: python docs/evidence.py WORKDIR RESULT.json

It reads WORKDIR/seed-N/comparison.json, writes the raw scores and their statistics to RESULT.json,
and prints the table of docs/evidence.md.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy import stats

BOUND = 0.02  # dB


def equivalence(differences: np.ndarray, bound: float = BOUND) -> tuple[float, float]:
    """Returns the p values of the paired t test and of TOST (Schuirmann 1987).

    Args:
      differences: paired differences in dB, one for each seed.
      bound: TOST's null hypothesis is that the mean difference lies outside -bound..bound.

    Example:
      >>> differences = np.array([0.001, -0.002, 0.002])
      >>> [round(float(p), 3) for p in equivalence(differences)]
      [0.808, 0.002]
      >>> [round(float(p), 3) for p in equivalence(differences + 0.02)]
      [0.003, 0.596]
    """
    paired = stats.ttest_1samp(differences, 0).pvalue
    above = stats.ttest_1samp(differences, -bound, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, bound, alternative="less").pvalue
    return paired, max(above, below)


def summarise(comparisons: dict[str, dict]) -> dict:
    """Returns the scores of each upsampler and benchmark with their statistics over the seeds."""
    first = next(iter(comparisons.values()))
    cells = {}
    for benchmark in first["bicubic"]["psnr"]:
        psnr = {
            name: np.array(
                [of["upsamplers"][name]["psnr"][benchmark] for of in comparisons.values()]
            )
            for name in first["upsamplers"]
        }
        scores = np.array(list(psnr.values()))
        reference = psnr["subpixel"]
        cells[benchmark] = {
            "psnr": {
                name: {"values": list(of), "mean": of.mean(), "std": of.std(ddof=1)}
                for name, of in psnr.items()
            },
            "spread_between_upsamplers_db": np.ptp(scores, axis=0).max(),
            "spread_between_seeds_db": np.ptp(scores, axis=1).max(),
            "against_subpixel": {
                name: dict(zip(("paired_p", "tost_p"), equivalence(of - reference), strict=True))
                for name, of in psnr.items()
                if name != "subpixel"
            },
        }
    return {
        "bound_db": BOUND,
        "seeds": [of["settings"]["seed"] for of in comparisons.values()],
        "benchmarks": cells,
        "cost": {
            seed: {
                name: {key: of[key] for key in ("train_step_ms", "gflop_useful", "gflop_executed")}
                for name, of in comparison["upsamplers"].items()
            }
            for seed, comparison in comparisons.items()
        },
        **{key: first[key] for key in ("scale", "settings", "protocol", "environment")},
    }


def main() -> None:
    """Writes the result and prints its table."""
    workdir, target = map(Path, sys.argv[1:])
    paths = sorted(workdir.glob("seed-*/comparison.json"))
    if len(paths) < 2:
        sys.exit(f"error: {workdir} holds {len(paths)} finished seeds; at least 2 are needed")
    result = summarise({path.parent.name: json.loads(path.read_text()) for path in paths})
    target.write_text(json.dumps(result, indent=2, default=float) + "\n")
    for benchmark, cell in result["benchmarks"].items():
        print(
            benchmark,
            *(f"{of['mean']:.5f} ± {of['std']:.5f}" for of in cell["psnr"].values()),
            f"{cell['spread_between_upsamplers_db']:.1e}",
            f"{cell['spread_between_seeds_db']:.3f}",
            *(
                f"{of['paired_p']:.2f}, {of['tost_p']:.1e}"
                for of in cell["against_subpixel"].values()
            ),
            sep=" | ",
        )


if __name__ == "__main__":
    main()
