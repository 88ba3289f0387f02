"""Pages of the site that lie elsewhere: the notes, the changelog, and the fields of an experiment.

Links of the repository become links of the site.
"""

import inspect
import re
from pathlib import Path

from experiment_fields import experiment_page
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from subpixel import equinox, image, initializers, kernels, linen, nnx, ops

ROOT = Path(__file__).parents[2]
# Place in the site: place in the repository.
PAGES = {"contribute.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
BACK = '<p class="source"><a href="../index.html">The documentation of subpixel</a></p>\n</header>'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages, and the images of the notes."""
    notes = [
        path for path in sorted((ROOT / "research").iterdir()) if path.suffix in (".md", ".png")
    ]
    for place, source in PAGES.items() | {(f"research/{p.name}", p) for p in notes}:
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    page = experiment_page()
    files.append(File.generated(config, "reference/experiment.md", content=page))
    for asset in sorted((ROOT / "docs/site").glob("*.[cj]s*")):
        place = f"assets/{asset.name}"
        files.append(File.generated(config, place, abs_src_path=str(asset)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites the links of a page between the folders docs and research."""
    place = page.file.src_uri
    if place in PAGES:
        return re.sub(r"\]\(docs/", "](", markdown)
    if place.startswith("research/"):
        return re.sub(r"\]\(\.\./docs/", "](../", markdown)
    return re.sub(r"\]\(((?:\.\./)*)\.\./research/", r"](\1research/", markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keeps an option in one line: browsers break lines after the hyphens of --name."""
    option = r"(?<![\w-])--[\w.-]+"
    return re.sub(
        "<code>[^<]*--[^<]*</code>",
        lambda found: re.sub(option, r'<span class="option">\g<0></span>', found[0]),
        html,
    )


def on_post_build(config: MkDocsConfig) -> None:
    """Gives the page of the paper a link to the site, and checks that the reference is whole.

    Raises:
      PluginError: if a public function or class has no entry.
    """
    page = Path(config.site_dir, "paper/index.html")
    page.write_text(page.read_text().replace("</header>", BACK, 1))
    html = "".join(path.read_text() for path in Path(config.site_dir, "reference").glob("*.html"))
    missing = [
        f"{module.__name__}.{name}"
        for module in (equinox, image, initializers, kernels, linen, nnx, ops)
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and not name.startswith("_")
        and (name in getattr(module, "__all__", ()) or value.__module__ == module.__name__)
        and f'id="{module.__name__}.{name}"' not in html
    ]
    if missing:
        raise PluginError(f"the reference has no entry of {', '.join(missing)}")
