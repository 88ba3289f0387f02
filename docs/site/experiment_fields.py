"""The page of all fields of an experiment, from the dataclasses."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from subpixel.sr.config import DataConfig, Degradation, Experiment, ModelConfig, OptimizerConfig

HEAD = """# Fields of an experiment

A config file assigns one `Experiment`. Every field is an option of `train.py` too, such as
`--steps=5000` and `--data.patch-size=32`. This page is made from the dataclasses.
"""
PARTS = (
    ("The experiment", "--NAME", Experiment),
    ("Data", "--data.NAME", DataConfig),
    ("Degradation", "--data.degradation.NAME", Degradation),
    ("Optimiser", "--optimizer.NAME", OptimizerConfig),
    *((config.__name__, "--model.NAME", config) for config in get_args(ModelConfig)),
)


def experiment_page() -> str:
    """Returns the page as Markdown: a table for each dataclass."""
    sections = [HEAD]
    for title, option, kind in PARTS:
        head = [f"## {title}\n", f"`{option}`. {inspect.getdoc(kind)}\n"]
        head += ["| field | default | meaning |", "| --- | --- | --- |"]
        rows = [f"| `{name}` | {default} | {text} |" for name, default, text in rows_of(kind)]
        sections.append("\n".join([*head, *rows, ""]))
    return "\n".join(sections)


def rows_of(kind: type[Any]) -> Iterator[tuple[str, str, str]]:
    """Yields name, default and meaning of each field of a dataclass that is an option."""
    meanings = docstrings(kind)
    for field in dataclasses.fields(kind):
        if field.name not in ("model", "data", "optimizer", "degradation"):
            text = meanings.get(field.name, "")
            choices = [f'"{word}"' for word in get_args(field.type) if isinstance(word, str)]
            if len(choices) == 1:
                text = "Names the network, as in config.json."
            elif not all(choice in text for choice in choices):
                text = f"{text} One of {', '.join(choices)}.".strip()
            yield field.name, default_of(field), text.replace("|", "\\|")


def default_of(field: dataclasses.Field) -> str:
    """Returns the default as code, or the word "required"."""
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return "required"
    return f"`{value!r}`".replace("|", "\\|")


def docstrings(kind: type[Any]) -> dict[str, str]:
    """Returns the string that follows each field in the source, of base classes too."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(node, ast.ClassDef)
        for field, text in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                match text:
                    case ast.Expr(value=ast.Constant(value=str(words))):
                        found[field.target.id] = re.sub(r"\s+", " ", words)
    return found
