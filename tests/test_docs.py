"""The documentation names what exists: files, commands, options, fields; and stays short."""

import dataclasses
import re
import shlex
from pathlib import Path

import experiment_fields
import pytest

from subpixel.sr.cli.table import COMMANDS, parse_named

ROOT = Path(__file__).parents[1]
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
GUIDES = sorted((ROOT / "docs").glob("*.md"))
REFERENCE = sorted((ROOT / "docs/reference").glob("*.md"))
NOTES = sorted((ROOT / "research").glob("*.md"))
MAX_WORDS, MAX_COLUMNS = 900, 7
SCRIPTS = {"train.py": "train", "eval.py": "evaluate"}


def each(paths: list[Path]):
    return pytest.mark.parametrize("page", paths, ids=lambda path: path.name)


def commands(page: Path) -> list[list[str]]:
    """The commands of a page's shell blocks, without variables before them."""
    blocks = re.findall(r"^```(?:bash|sh)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    found = []
    for line in lines:
        for part in re.split(r" && ", line):
            words = shlex.split(part, comments=True)
            while words and ("=" in words[0] or words[0] == "srun"):
                words = words[1:]
            found.append(words)
    return [words for words in found if words]


def of_the_package(words: list[str]) -> list[str] | None:
    """The name of a command of the package and its options; None for other programs."""
    if words[0] == "subpixel":
        return words[1:]
    if not re.fullmatch(r"(\.venv/bin/)?python", words[0]) or len(words) < 2:
        return None
    if words[1] in SCRIPTS:
        return [SCRIPTS[words[1]], *words[2:]]
    return words[3:] if words[1:3] == ["-m", "subpixel"] else None


@each([TOP[0], *GUIDES, *REFERENCE])
def test_a_page_is_read_in_five_minutes(page):
    text = page.read_text()
    words = [word for word in text.split() if re.search(r"\w", word)]
    columns = [
        line.count("|") - line.count("\\|") - 1 for line in text.splitlines() if line[:1] == "|"
    ]
    assert len(words) <= MAX_WORDS
    assert max(columns, default=0) <= MAX_COLUMNS


@each([*TOP, *GUIDES, *REFERENCE, *NOTES])
def test_links_lead_somewhere(page):
    made = {"contribute.md", "changelog.md", "experiment.md"}  # by docs/site/hook.py
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    local = {link for link in links if "://" not in link and Path(link).name not in made}
    assert not [link for link in local if not (page.parent / link).exists()]


@each([*TOP[:2], *GUIDES, *REFERENCE, *NOTES])
def test_commands_are_those_of_the_package(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for words in commands(page):
        arguments = of_the_package(words)
        if arguments is None:
            scripts = [word for word in words[:3] if re.fullmatch(r"[a-z]+/\w+\.(py|sh)", word)]
            assert all((ROOT / script).is_file() for script in scripts), words
            continue
        length = next((n for n in (2, 1) if " ".join(arguments[:n]) in COMMANDS), 0)
        assert length or not arguments, words
        name, options = " ".join(arguments[:length]), arguments[length:]
        if not name or options == ["--help"]:
            continue
        parse_named(name, options)


def test_pages_that_the_code_names_exist():
    sources = [
        *ROOT.glob("subpixel/**/*.py"),
        *ROOT.glob("benchmarks/*.py"),
        *ROOT.glob("configs/*.py"),
    ]
    named = {
        n for p in sources for n in re.findall(r"\b(?:docs|research)/[\w/-]+\.md", p.read_text())
    }
    assert named
    assert not [name for name in named if not (ROOT / name).is_file()]


def test_every_field_of_an_experiment_has_its_default_and_its_meaning():
    page = experiment_fields.experiment_page()
    for title, _, kind in experiment_fields.PARTS:
        section = page.split(f"\n## {title}\n")[1].split("\n## ")[0]
        rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))
        nested = {"model", "data", "optimizer", "degradation"}
        assert rows.keys() == {field.name for field in dataclasses.fields(kind)} - nested
        for field in dataclasses.fields(kind):
            if field.name in rows and field.default is not dataclasses.MISSING:
                default, meaning = rows[field.name].split(" | ", 1)
                assert default.strip("`").replace("\\|", "|") == repr(field.default)
                assert len(meaning) > 5, field.name
