"""The protocol: its conventions by name, known answers, and no table that mixes them unsaid."""

import json
from dataclasses import replace

import pytest

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.degradation import Degradation
from subpixel.sr.data.pairs import find_pairs
from subpixel.sr.evaluation.protocol import Protocol
from subpixel.sr.evaluation.scores import Scores, evaluate
from subpixel.sr.evaluation.table import read_scores, scores_table
from subpixel.sr.find import find_model
from subpixel.sr.inference.upscaler import BicubicUpscaler

# The bicubic row of nearly every paper: PSNR and SSIM by scale.
TABLE = {
    "Set5": {2: (33.66, 0.930), 3: (30.39, 0.868), 4: (28.42, 0.810)},
    "Set14": {2: (30.24, 0.869), 3: (27.55, 0.774), 4: (26.00, 0.703)},
    "B100": {3: (27.21, 0.739)},
}


@pytest.mark.parametrize(("benchmark", "scale"), [(b, r) for b in TABLE for r in TABLE[b]])
def test_bicubic_is_the_row_that_papers_print(data_root, benchmark, scale):
    protocol = Protocol.named("srcnn", scale)
    images = find_pairs(benchmark, data_root)
    scores = evaluate({"b": BicubicUpscaler(scale, "replicate")}, images, protocol)["b"]
    psnr, ssim = TABLE[benchmark][scale]
    assert scores.mean_psnr == pytest.approx(psnr, abs=0.01)
    assert scores.mean_ssim == pytest.approx(ssim, abs=0.0015)


def test_a_pytorch_checkpoint_measures_as_its_authors_did(data_root):
    checkpoint = data_root.parent / "peers" / "espcn_x3_etds.pth"
    if not checkpoint.is_file():
        pytest.skip(f"{checkpoint} is not there")
    model = find_model(str(checkpoint), 3, output_activation="sigmoid")
    network, about = model.upscaler(), model.to_json()
    assert about["parameters"] == 31_131
    protocol = Protocol.named("basicsr", 3)
    for benchmark, known in (("Set5", 32.8478), ("Set14", 29.4126)):
        scores = evaluate({"m": network}, find_pairs(benchmark, data_root), protocol)["m"]
        assert scores.mean_psnr == pytest.approx(known, abs=0.01)


def test_conventions_are_found_by_name_and_named_again():
    assert Protocol.named("matlab", 3) == Protocol(3)
    basicsr = Protocol.named("basicsr", 3)
    assert (basicsr.crop, basicsr.shave, basicsr.rounding) == (12, 3, "double")
    assert Protocol.named("esr", 2).luma_range == "full"
    assert Protocol.named("srcnn", 2).name == "srcnn"
    assert Protocol(3, shave=0).name == "custom"
    assert Protocol(3, crop=3, shave=3) == Protocol(3)


@pytest.mark.parametrize("name", ["matlab", "basicsr", "esr", "srcnn"])
def test_a_protocol_survives_json(name):
    protocol = Protocol.named(name, 2, shave=5)
    assert Protocol.from_json(protocol.to_json(), "a file") == protocol


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Protocol(5, crop=12), "crop must be a multiple of the scale, 5; got 12"),
        (lambda: Protocol(3, shave=-2), "at least 0; got -2"),
        (lambda: Protocol(3, channel="rgb", lr_from="luma"), 'goes with channel "y"'),
        (lambda: Protocol.named("mine", 3), "unknown protocol 'mine': there is matlab, basicsr"),
        (
            lambda: Protocol.from_json({**Protocol(3).to_json(), "crop": 4}, "f.json"),
            r"the protocol in f\.json cannot be read: crop must be a multiple of .*; got 4$",
        ),
        (
            lambda: Protocol.from_json({**Protocol(3).to_json(), "shave": "a"}, "f.json"),
            r"cannot be read: shave must be a whole number; got 'a'$",
        ),
        (lambda: Protocol.from_json({"scale": 3}, "f.json"), r"f\.json cannot be read: .* crop"),
    ],
)
def test_choices_that_cannot_be_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_scores_of_two_protocols_are_in_rows_with_their_protocol():
    def scores(**choices):
        return Scores(Protocol(3, **choices), {"a": 30.0}, {"a": 0.9})

    same = scores_table("t", {"m": {"Set5": scores()}, "n": {"Set5": scores()}}, ["Set5"])
    assert [column.header for column in same.columns] == ["PSNR dB / SSIM", "Set5"]
    older = scores(degradation=Degradation(border="replicate"), rounding="double")
    mixed = scores_table("t", {"m": {"Set5": scores(), "Set14": older}}, ["Set5", "Set14"])
    columns = {column.header: list(column.cells) for column in mixed.columns}
    assert list(columns) == ["PSNR dB / SSIM", "rounding", "degradation", "Set5", "Set14"]
    assert columns["rounding"] == ["8bit", "double"]
    assert [("replicate" in cell) for cell in columns["degradation"]] == [False, True]
    assert columns["Set5"] == ["30.00 / 0.9000", ""]
    assert columns["Set14"] == ["", "30.00 / 0.9000"]


def test_scores_of_an_earlier_version_are_read(tmp_path):
    """The file is what commit d8e7f17 wrote, of one image."""
    degradation = {"kind": "bicubic", "border": "symmetric", "sigma": 1.6, "kernel_size": 7}
    protocol = {
        "scale": 3,
        "crop": 3,
        "channel": "y",
        "luma_range": "studio",
        "rounding": "8bit",
        "degradation": degradation,
        "low_from": "rgb",
        "grey": "luma",
        "shave": 3,
        "self_ensemble": False,
        "name": "matlab",
        "description": "matlab x3",
    }
    image = {"psnr": 27.752504325908447, "ssim": 0.8612820557274343}
    values = {
        "protocol": protocol,
        "model": {"name": "espcn", "upsampler": "subpixel", "scale": 3, "parameters": 22729},
        "results": {"Set5": image | {"low_from": "files", "images": {"astronaut": image}}},
    }
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(values))
    scores = read_scores(path)["espcn"]["Set5"]
    assert scores.protocol == replace(Protocol.named("matlab", 3), lr_from="files")
    assert scores.psnr == {"astronaut": 27.752504325908447}
    assert scores.ssim == {"astronaut": 0.8612820557274343}
    # A protocol that is no object, and one without the field under either name.
    for damaged, said in (
        (values | {"protocol": 3}, "cannot be read"),
        (values | {"protocol": {"scale": 3}}, "does not say .*lr_from"),
    ):
        path.write_text(json.dumps(damaged))
        with pytest.raises(InputError, match=said):
            read_scores(path)
