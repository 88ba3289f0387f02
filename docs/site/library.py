"""What the library's docstrings and packages write, as the site needs it."""

import re
from typing import Any

import griffe

# Code, which stays: in backticks, an example's line, a block behind two colons. Else: an asterisk.
CODE = r"``[^`]+``|`[^`]+`|^ *(?:>>>|\.\.\.) .*$|::\n(?:\n| {4}.*(?:\n|\Z))+"
PRODUCT = r"(?<=[\w )])(?P<stars>\*+)(?=[\w (])"


def as_markdown(text: str) -> str:
    """Returns a docstring whose examples and blocks are code, and whose products are no emphasis.

    >>> print(as_markdown("(r*s, r**d * c), `a*b`."))
    (r\\*s, r\\*\\*d \\* c), `a*b`.
    """

    def written(found: re.Match[str]) -> str:
        return found[0].replace("*", r"\*") if found["stars"] else found[0].replace("::\n", ":\n")

    text = re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)
    return re.sub(f"{CODE}|{PRODUCT}", written, text, flags=re.MULTILINE)


class Library(griffe.Extension):
    """Examples become code; a function hides the module of its name, as it does when imported."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)

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
