"""Configs: files, dotted options, config.json, and what is said of mistakes."""

import dataclasses
from functools import partial
from pathlib import Path

import pytest

from subpixel.sr._support.errors import InputError
from subpixel.sr.cli import evaluate, train
from subpixel.sr.cli._run import parse_options, run_command
from subpixel.sr.config import ESPCNConfig, Experiment, load_config
from subpixel.sr.serialization import differences, from_json, to_json

CONFIGS = Path(__file__).parents[2] / "configs"
parse_train = partial(train.parse_with_config, train.Options)
parse_eval = partial(parse_options, evaluate.Options)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.py")), ids=lambda path: path.stem)
def test_every_config_loads_is_named_after_its_file_and_survives_json(path):
    config = load_config(path)
    assert config.name == path.stem
    assert from_json(to_json(config), Experiment, "here") == config


def test_options_override_the_fields_of_the_config_file():
    arguments = [
        f"--config={CONFIGS / 'espcn_x3_bsds.py'}",
        "--model.scale=4",
        "--upsamplers=subpixel",
        "--data.train",
        "A",
        "B/C",
        "--workdir=here",
    ]
    options = parse_train(arguments)
    expected = load_config(CONFIGS / "espcn_x3_bsds.py")
    expected = dataclasses.replace(
        expected,
        upsamplers=("subpixel",),
        model=dataclasses.replace(expected.model, scale=4),
        data=dataclasses.replace(expected.data, train=("A", "B/C")),
    )
    assert options.experiment == expected
    assert options.workdir == Path("here")


def test_no_arguments_mean_the_quickstart():
    assert parse_train([]).experiment == load_config(CONFIGS / "quickstart.py")
    assert parse_train(["--optimizer.name=adam"]).experiment.optimizer.name == "adam"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--upsamplers", "subpixle"],
            "--upsamplers must be one of subpixel, conv_transpose, zero_insert; got 'subpixle'",
        ),
        (["--optimizer.name=sgd"], "--optimizer.name must be one of adam, muon, soap; got 'sgd'"),
        (["--model.scale=2.5"], "--model.scale must be a whole number; got '2.5'"),
        (["--optimizer.learning-rate=x"], "--optimizer.learning-rate must be a number; got 'x'"),
        (["--model.scale=1"], "model.scale must be a whole number of at least 2; got 1"),
        (["--optimizer.ema-decay=1"], "below 1; got 1.0"),
        (["--data.batch-size=0"], "must be at least 1; got"),
        (["--steps"], "--steps needs a value: --help lists all options"),
        (["--profile=1"], "unexpected word '1': a switch such as --overwrite takes no value"),
    ],
)
def test_a_bad_value_ends_with_2_and_one_line_says_why(arguments, said, capsys):
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: parse_train(arguments))
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("parse", "typed", "nearest"),
    [
        (parse_train, ["--model.scal=3"], "--model.scale"),
        (parse_train, ["--upsampler=subpixel"], "--upsamplers"),
        (parse_train, ["--data.patchsize", "3"], "--data.patch_size"),
        (parse_train, ["--wrkdir", "here"], "--workdir"),
        (parse_eval, ["bicubic", "--scale=3", "--benchmarks", "Set5", "--jsn=a"], "--json"),
    ],
)
def test_an_unknown_option_names_the_nearest(parse, typed, nearest):
    with pytest.raises(InputError, match=f"unknown option --.*: the nearest is {nearest};"):
        parse(typed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"there is no config file .*mine\.py; in its folder there are: .*other\.py"),
        ("config = {'steps': 3}", r"must assign a subpixel\.sr\.config\.Experiment .*; got dict"),
        ("x = 1", "got NoneType"),
        ("config = missing", "failed: NameError: name 'missing'"),
        ("from subpixel.sr.config import *\nconfig = Experiment('a', steps=0)", "at least 1"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_explained(tmp_path, content, message):
    (tmp_path / "other.py").touch()
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        parse_train([f"--config={path}"])


def test_differences_are_named_field_by_field():
    old = Experiment("a")
    new = dataclasses.replace(old, steps=7000, model=ESPCNConfig(scale=2))
    assert differences(old, new) == [
        "model.scale: 3 there, 2 here",
        "steps: 20000 there, 7000 here",
    ]
    assert differences(old, old) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scale=1", "--benchmarks", "Set5"], "^scale must be .* at least 2; got 1$"),
        (["--scale=3", "--benchmarks"], "^benchmarks must name at least one folder of images$"),
        (["--scale=3", "--benchmarks", "Set5", "--worst=-1"], "^worst must be a number.*; got -1$"),
        (["--channel=g"], "^--channel must be one of rgb, y; got 'g'$"),
        (["--scale=3"], "needs --benchmarks: --help lists all options$"),
    ],
)
def test_eval_refuses_bad_options_in_one_line(arguments, said):
    with pytest.raises(InputError, match=said):
        parse_eval(["bicubic", *arguments])


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("stepz", 3, "it has no field stepz: remove it; the fields are upsamplers, model, "),
        ("steps", "many", "steps must be a whole number; got 'many'"),
        ("optimizer", 3, "optimizer must be a JSON object"),
        ("model", 3, "model must be a JSON object"),
        ("upsamplers", ["bilinear"], "upsamplers[0] must be one of 'subpixel', "),
        (
            "optimizer.loss",
            "l3",
            "optimizer.loss must be one of 'mse', 'l1', 'charbonnier'; got 'l",
        ),
        ("optimizer.learning_rate", -1.0, "optimizer.learning_rate must be positive; got -1.0"),
        ("optimizer.stepz", 3, "optimizer has no field stepz: remove it; the fields are name, "),
        ("model.scale", 1, "model.scale must be a whole number of at least 2; got 1"),
        ("data.train", [], "data.train must name at least one folder of images"),
        ("name", None, "name is missing: add it"),
    ],
)
def test_a_config_json_that_does_not_fit_is_refused_in_one_clear_line(field, value, said):
    values = to_json(Experiment("a"))
    *room, last = field.split(".")
    place = values[room[0]] if room else values
    place[last] = value
    if value is None:
        del place[last]
    with pytest.raises(InputError) as error:
        from_json(values, Experiment, "config.json")
    message = str(error.value)
    assert message.startswith(f"config.json does not fit this version: {said}")
    assert "$" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("the scale is wrong"), 2, "error: the scale is wrong\n"),
        (OSError(28, "No space left on device", "a/b"), 1, "error: No space left on device: a/b"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_a_command_ends_in_one_line_and_a_code(error, code, said, capsys):
    def command():
        raise error

    with pytest.raises(SystemExit) as stop:
        run_command(command)
    printed = capsys.readouterr().err
    assert stop.value.code == code
    assert printed.startswith(said)
    assert printed.count("\n") == 1


def test_a_defect_of_ours_keeps_its_traceback():
    def command():
        raise RuntimeError("defect")

    with pytest.raises(RuntimeError, match="defect"):
        run_command(command)


def test_a_field_that_is_gone_is_read_with_the_value_that_changed_nothing():
    values = to_json(Experiment(name="a"))
    assert "reparameterization" not in values["optimizer"]
    values["optimizer"]["reparameterization"] = "none"
    # A config of an older run takes the defaults of newer fields.
    for newer in ("schedule", "damping", "clip_norm"):
        del values["optimizer"][newer]
    del values["model"]["dtype"]
    assert from_json(values, Experiment, "here") == Experiment(name="a")
    for kind in ("ecb", "repvgg", None):
        values["optimizer"]["reparameterization"] = kind
        with pytest.raises(InputError, match=f"reparameterization {kind!r} is not supported: .*"):
            from_json(values, Experiment, "here")
    values["optimizer"] = {"reparameterisation": "none"}
    with pytest.raises(InputError, match="has no field reparameterisation: remove it"):
        from_json(values, Experiment, "here")
