"""YAML as sigs.k8s.io/yaml reads it: YAML 1.1's booleans and octal numbers, no dates, and a JSON object in the end.

Works on the parser's events, so neither deep nesting nor aliases of aliases cost more than their limits.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, NamedTuple

import yaml

from corral.model.kubernetes import status
from corral.model.kubernetes.schema.document import MAX_DEPTH, Document, quote

# How many values the aliases of one document may come to; long texts count for as many as they could hold.
MAX_ALIASED = 100_000
_LONG = 32
_TAG = "tag:yaml.org,2002:"
_BOOLS = {word: True for word in "y Y yes Yes YES true True TRUE on On ON".split()}
_BOOLS |= {word: False for word in "n N no No NO false False FALSE off Off OFF".split()}
_NULLS = ("", "~", "null", "Null", "NULL")
_NOT_NUMBERS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def decode_yaml(data: bytes) -> Document:
    """Pure: the first document. Raises StatusError 400.

    >>> decode_yaml(b"mode: 0644\\non: yes\\nday: 2026-01-02\\nsize: 1_000").object
    {'mode': 420, 'true': True, 'day': '2026-01-02', 'size': 1000}
    >>> decode_yaml(b"a: 1\\na: 2").duplicates
    ('yaml: unmarshal errors:\\n  line 2: key "a" already set in map',)
    """
    builder = _Builder()
    try:
        for event in yaml.parse(data.decode("utf-8", "replace"), Loader=_LOADER):
            if builder.take(event):
                break
    except yaml.YAMLError as error:
        raise _bad(_problem(error)) from None
    return Document(builder.root, _listed(builder.duplicates))


def resolve(text: str) -> Any:
    """Pure: what a plain scalar means. Raises StatusError 400 for a number that JSON has not.

    >>> [resolve(text) for text in ("1e3", "1.5", "0x1F", "0o17", "12:30", "~", "off", "+12", "3.0")]
    [1000, 1.5, 31, 15, '12:30', None, False, 12, 3]
    """
    if text in _BOOLS:
        return _BOOLS[text]
    if text in _NULLS:
        return None
    if _NOT_NUMBERS.fullmatch(text):
        raise _bad(f"json: unsupported value: {text}")
    plain = text.replace("_", "") if text[0] in "+-0123456789" else text
    if len(plain) < 100 and _INTEGER.fullmatch(plain):
        return _integer(plain)
    if len(plain) < 400 and plain[0] in "+-.0123456789" and _FLOAT.fullmatch(plain):
        found = float(plain)
        if abs(found) != float("inf"):
            return int(found) if found.is_integer() and abs(found) < 2**63 else found
    return text


def _integer(text: str) -> int | float:
    body = text.lstrip("+-")
    old_octal = len(body) > 1 and body[0] == "0" and body[1].isdigit()
    found = int(body, 8) if old_octal else int(body, 0)
    signed = -found if text[0] == "-" else found
    return signed if -(2**63) <= signed < 2**63 else float(signed)


class _Open(NamedTuple):
    """A map or list that is not at its end yet. `key` holds the key that waits for its value."""

    made: Any
    anchor: str | None
    key: list[str]
    merged: list[Any]


class _Builder:
    """Takes the parser's events, one after the other; `root` is the object when `take` says so."""

    def __init__(self) -> None:
        self.root: Any = None
        self.duplicates: list[str] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Any] = {}
        self._aliased = 0

    def take(self, event: Any) -> bool:
        """Whether the document is at its end."""
        if isinstance(event, yaml.ScalarEvent):
            self._add(_scalar(event, self._wants_key()), event.anchor, event)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event), None, event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start({} if isinstance(event, yaml.MappingStartEvent) else [], event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            ended = self._open.pop()
            for source in ended.merged:
                ended.made.update({key: value for key, value in source.items() if key not in ended.made})
            self._add(ended.made, ended.anchor, event)
        return isinstance(event, yaml.DocumentEndEvent)

    def _start(self, made: Any, event: Any) -> None:
        if self._wants_key():
            raise _bad(f"error converting YAML to JSON: yaml: line {_line(event)}: invalid map key")
        if len(self._open) >= MAX_DEPTH:
            raise _bad(f"error converting YAML to JSON: yaml: exceeded max depth of {MAX_DEPTH}")
        self._open.append(_Open(made, event.anchor, [], []))

    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].made, dict) and not self._open[-1].key

    def _add(self, value: Any, anchor: str | None, event: Any) -> None:
        if anchor:
            self._anchors[anchor] = value
        if not self._open:
            self.root = value
            return
        top = self._open[-1]
        if isinstance(top.made, list):
            top.made.append(value)
        elif not top.key:
            top.key.append(_key(value, event))
        else:
            self._set(top, top.key.pop(), value, event)

    def _set(self, top: _Open, key: str, value: Any, event: Any) -> None:
        if key == "<<":
            sources = value if isinstance(value, list) else [value]
            if not all(isinstance(source, dict) for source in sources):
                raise _bad(
                    "error converting YAML to JSON: yaml: map merge requires map or sequence of maps as the value"
                )
            top.merged.extend(sources)
            return
        if key in top.made:
            self.duplicates.append(f"line {_line(event)}: key {quote(key)} already set in map")
        top.made[key] = value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _bad(f"error converting YAML to JSON: yaml: unknown anchor '{event.anchor}' referenced")
        return self._copy(self._anchors[event.anchor], len(self._open))

    def _copy(self, value: Any, depth: int) -> Any:
        """What an alias stands for; a copy, for objects are changed in place later."""
        self._aliased += 1 + (len(value) // _LONG if isinstance(value, str) else 0)
        if self._aliased > MAX_ALIASED or depth > MAX_DEPTH:
            raise _bad("error converting YAML to JSON: yaml: document contains excessive aliasing")
        if isinstance(value, dict):
            self._aliased += sum(map(len, value)) // _LONG
            return {key: self._copy(one, depth + 1) for key, one in value.items()}
        return [self._copy(one, depth + 1) for one in value] if isinstance(value, list) else value


def _scalar(event: Any, is_key: bool) -> Any:
    tag, text = event.tag or "", event.value
    if not tag and event.implicit[0]:
        return text if is_key and text == "<<" else resolve(text)
    if tag in ("", "!", _TAG + "str", _TAG + "timestamp"):
        return text
    if tag == _TAG + "binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise _bad("error converting YAML to JSON: yaml: !!binary value contains invalid base64 data") from None
    found = resolve(text) if tag.startswith(_TAG) else text
    fitting = _TAGGED.get(tag)
    if fitting and type(found) not in fitting:
        short = tag.replace(_TAG, "!!")
        raise _bad(
            f"error converting YAML to JSON: yaml: unmarshal errors:\n  cannot decode `{text[:60]}` as a {short}"
        )
    return found


_TAGGED: dict[str, tuple[type, ...]] = {
    _TAG + "int": (int,),
    _TAG + "float": (int, float),
    _TAG + "bool": (bool,),
    _TAG + "null": (type(None),),
}


def _key(value: Any, event: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, str | int):
        return str(value)
    raise _bad(f"error converting YAML to JSON: yaml: line {_line(event)}: unsupported map key")


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _listed(duplicates: list[str]) -> tuple[str, ...]:
    lines = "".join(f"\n  {one}" for one in duplicates[:100])
    return (f"yaml: unmarshal errors:{lines}",) if lines else ()


def _problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return f"error converting YAML to JSON: yaml: {where}{getattr(error, 'problem', None) or error}"


def _bad(message: str) -> status.StatusError:
    return status.bad_request(message)
