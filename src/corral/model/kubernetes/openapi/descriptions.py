"""What types and fields are for, in upstream's sentences: taken from a package that ships them.

They are the docstrings of the classes of `lightkube-models`, which are read as text: nothing of it is imported. Where
somebody has taken it away there are no descriptions but those of the common fields (`definitions`).
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from corral.model.kubernetes.openapi.definitions import Describe, undescribed

_CLASS = re.compile(r'^class (\w+)\(DictMixin\):\n    r"""(.*?)"""', re.S | re.M)
_FIELD = re.compile(r"^\* \*\*([\w$-]+)\*\* ``.*?`` - ?", re.M)


def installed() -> Describe:
    """The descriptions of the package; if it is not there, a Describe that knows nothing."""
    found = importlib.util.find_spec("lightkube")
    for place in (found.submodule_search_locations or ()) if found else ():
        if (Path(place) / "models" / "meta_v1.py").is_file():
            return describer(Path(place) / "models")
    return undescribed


def describer(folder: Path) -> Describe:
    """Descriptions out of a folder of modules; each is read when something of it is asked for, and kept as long as the
    answer is."""

    @cache
    def module(name: str) -> Mapping[tuple[str, str], str]:
        file = folder / f"{name}.py"
        return parse(file.read_text()) if file.is_file() else {}

    return _describe_from(module)


def _describe_from(module: Callable[[str], Mapping[tuple[str, str], str]]) -> Describe:
    def describe(name: str, field: str) -> str:
        *_, group, version, kind = name.split(".")
        return module(f"{group}_{version}").get((kind, field), "")

    return describe


def parse(text: str) -> dict[tuple[str, str], str]:
    """Pure: (class, field) -> its description, of a module; the field is "" for the class.

    >>> doc = 'A pod\\n    of whales.\\n\\n    **parameters**\\n\\n    * **spec** ``Spec`` - What\\n    it is.'
    >>> parse('class Pod(DictMixin):\\n    r\"\"\"' + doc + '\\n    \"\"\"\\n')
    {('Pod', ''): 'A pod of whales.', ('Pod', 'spec'): 'What it is.'}
    """
    found: dict[tuple[str, str], str] = {}
    for name, doc in _CLASS.findall(text):
        lines = "\n".join(line.strip() for line in doc.splitlines())
        about, _, fields = lines.partition("**parameters**")
        found[name, ""] = _joined(about)
        pieces = _FIELD.split(fields)[1:]
        for field, words in zip(pieces[::2], pieces[1::2], strict=True):
            found[name, field.rstrip("_")] = _joined(words)
    return {key: words for key, words in found.items() if words}


def _joined(text: str) -> str:
    """Paragraphs stay, lines within them do not."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n") if part.strip())
