"""Puts the configs of the repository's top folder into the package; pyproject.toml has the rest."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """An installed package runs `subpixel train` without a checkout: it has the same configs."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib, "subpixel", "sr", "configs")
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(Path("configs").glob("*.py")):
            self.copy_file(str(path), str(folder / path.name))


setup(cmdclass={"build_py": BuildWithConfigs})
