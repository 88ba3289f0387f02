"""What the library's docstrings and packages write, as the site needs it."""

import re
from typing import Any

import griffe


class Library(griffe.Extension):
    """Examples become code; a function hides the module of its name, as it does when imported."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of an object."""
        if obj.docstring is not None:
            text = re.sub(
                r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE
            )
            obj.docstring.value = re.sub(r"::$", ":", text, flags=re.MULTILINE)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Replaces the modules that have a function of their name."""
        for package in (m for m in pkg.modules.values() if m.exports):
            for name in map(str, package.exports or ()):
                module = package.members[name]
                if module.is_module and name in module.members:
                    # No longer reached from the package, so `on_object` does not see them.
                    for function in module.functions.values():
                        self.on_object(obj=function)
                    alias = griffe.Alias(name, module.members[name], parent=package)
                    package.members[name] = alias
