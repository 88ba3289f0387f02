"""The evidence tool trains and measures its cells; the page's tables are those of the results."""

import json
from pathlib import Path

import evidence as tool
import evidence_page as page
import numpy as np
import pytest
from checkerboard import flat_energy
from flax import nnx
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.pairs import find_benchmarks
from subpixel.sr.inference.upscaler import NetworkUpscaler
from subpixel.sr.models.srcnn import SRCNNConfig

ROOT = Path(__file__).parents[2]


def test_the_cells_differ_only_in_what_they_compare():
    cells = tool.read_table(ROOT / "research/evidence.txt")
    for network in ("espcn", "fsrcnn"):
        scales = [cells[f"{network}_x{scale}"] for scale in (2, 3, 4)]
        assert [cell.model.scale for cell in scales] == [2, 3, 4]
        assert len({(cell.data, cell.optimizer, cell.steps) for cell in scales}) == 1
    inits = [cells[f"init_{init}"] for init in ("icnr", "independent")]
    assert [cell.model.upsampler_init for cell in inits] == ["icnr", "independent"]
    assert len({(cell.data, cell.optimizer, cell.steps) for cell in inits}) == 1


@pytest.mark.parametrize("size", ["small", "large", "soap"])
def test_high_and_low_resolution_cost_the_same_and_train_alike(size):
    cells = tool.read_table(ROOT / "research/evidence.txt")
    high, low = cells[f"cost_srcnn_{size}"], cells[f"cost_lr_{size}"]
    work = [sum(layer.useful for layer in of.model.layers("subpixel")) for of in (high, low)]
    assert work[0] == pytest.approx(work[1], rel=0.005)
    assert (high.data, high.optimizer, high.steps) == (low.data, low.optimizer, low.steps)
    assert isinstance(high.model, SRCNNConfig)
    assert low.model.activation == "relu"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a --steps=300\na --steps=400\n", "two cells called a"),
        ("a --stepz=300\n", "stepz"),
        ("a --config=configs/none.py\n", r"no config file configs/none\.py"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(tmp_path, text, message):
    (tmp_path / "table.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        tool.read_table(tmp_path / "table.txt")


def test_an_unknown_cell_is_named(tmp_path):
    (tmp_path / "table.txt").write_text("a --steps=300\n")
    options = tool.Evidence(tmp_path / "table.txt", only=("b",))
    with pytest.raises(InputError, match=r"--only names b; .*table\.txt has a"):
        tool.collect(options)


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A cell with two seeds on small images."""
    folder = tmp_path_factory.mktemp("evidence")
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("measured", 2)):
        (folder / part).mkdir()
        for i in range(count):
            noise = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((60, 60)).save(folder / part / f"{part}{i}.png")
    (folder / "table.txt").write_text(
        f"# A comment.\n\ncell --model.scale=2 --model.features 4 3 --steps=3 "
        f"--upsamplers subpixel conv_transpose --data.train folder:{folder}/train "
        f"--data.benchmarks measured --data.validation-images=1 --data.patch-size=8 "
        f"--data.batch-size=2 --optimizer.name=adam --optimizer.warmup-steps=1 "
        f"--optimizer.ema-decay=0.5\n"
    )
    options = tool.Evidence(
        folder / "table.txt",
        seeds=(0, 5),
        checkerboard="measured",
        results=folder / "results",
        workdir=folder / "runs",
        data_root=folder,
    )
    assert tool.collect(options) == 0
    return folder, options, json.loads((folder / "results/cell.json").read_text())


def test_a_result_holds_the_scores_and_energies_of_every_seed(collected):
    _, _, result = collected
    assert result["seeds"] == [0, 5]
    assert set(result["upsamplers"]) == {"subpixel", "conv_transpose"}
    one, other = (result["upsamplers"][name] for name in ("subpixel", "conv_transpose"))
    # Two seeds give two functions; two upsamplers give one.
    first, second = one["psnr"]["measured"]
    assert abs(first - second) > 1e-3
    assert other["psnr"]["measured"] == pytest.approx([first, second], abs=1e-3)
    # ICNR starts without a checkerboard, and three steps make one.
    assert max(one["flat_energy"]["start"]) < 1e-6 < min(one["flat_energy"]["end"])
    assert len(one["image_energy"]["end"]) == len(one["train_seconds"]) == 2
    assert one["multiply_adds_per_output_pixel"]["useful"] == pytest.approx(
        (25 * 4 + 9 * 4 * 3 + 9 * 3 * 4) / 4
    )


def test_networks_are_measured_in_one_layout_without_a_change(collected):
    folder, options, result = collected
    experiment = tool.read_table(options.table)["cell"]
    images = find_benchmarks(("measured",), folder, 2, experiment.data.degradation)["measured"]
    weights = nnx.split(experiment.model.build("conv_transpose", 5))
    own = NetworkUpscaler(*weights)
    measured = tool.upscaler(nnx.merge(*weights).with_upsampler("subpixel"))
    lr = images[0].hr.load().astype(np.float32)[..., :1]
    np.testing.assert_allclose(measured.luma_unrounded(lr), own.luma_unrounded(lr), atol=1e-3)
    # A network that is only started has the energy that is stored as the start.
    energy = flat_energy(experiment.model.build("conv_transpose", 5))
    stored = result["upsamplers"]["conv_transpose"]["flat_energy"]["start"][1]
    assert stored == pytest.approx(energy, abs=1e-6)


def test_a_finished_cell_is_not_run_again(collected, capsys):
    folder, options, _ = collected
    path = folder / "results/cell.json"
    before = path.read_bytes()
    assert tool.collect(options) == 0
    assert "cell is finished" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_the_page_shows_the_tables_of_the_results():
    text = (ROOT / "research/evidence.md").read_text()
    for table in page.tables():
        assert table in text


def test_a_row_of_the_page_says_what_the_result_holds(collected):
    _, _, result = collected
    (row,) = page.spread_rows("cell", result)
    psnr = result["upsamplers"]["subpixel"]["psnr"]["measured"]
    assert row[:2] == ["cell", "measured"]
    assert row[2].startswith(f"{np.mean(psnr):.4f} ± ")
    (cost,) = page.cost_rows("cell", result)
    assert cost[:3] == ["cell", "3", "79 / 79"]
