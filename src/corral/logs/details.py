"""The extra attributes that `docker logs --details` shows: labels and variables of the container, and a tag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from corral.errors import InvalidInput

_FIELD = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")


FIELDS = (
    *("ID", "FullID", "Name", "Command", "ImageID", "ImageFullID", "ImageName"),
    *("Hostname", "DaemonName", "ContainerID", "ContainerName"),
)


def check_details(options: Mapping[str, str]) -> None:
    """Raises InvalidInput for what could not be shown later: a bad regular expression, a bad template of a tag."""
    plan_details(options, {}, (), dict.fromkeys(FIELDS, ""))


def plan_details(
    options: Mapping[str, str], labels: Mapping[str, str], env: Iterable[str], fields: Mapping[str, str]
) -> dict[str, str]:
    """Pure: the attributes that a container's log options ask for.

    `fields` are what a tag's template may name, `FIELDS`. Raises InvalidInput for a bad regular expression or
    template.

    >>> plan_details({"labels": "a,b", "env-regex": "^X", "tag": "{{.Name}}/1"}, {"a": "1"}, ["XY=2"], {"Name": "web"})
    {'a': '1', 'XY': '2', 'tag': 'web/1'}
    """
    variables = {name: value for name, given, value in (item.partition("=") for item in env) if given}
    found: dict[str, str] = {}
    for option, values in (("labels", labels), ("env", variables)):
        names = [name for name in options.get(option, "").split(",") if name in values]
        if pattern := options.get(f"{option}-regex", ""):
            names += filter(_compile(pattern).search, values)
        found |= {name: values[name] for name in names}
    if tag := options.get("tag", ""):
        found["tag"] = expand_tag(tag, fields)
    return found


def expand_tag(template: str, fields: Mapping[str, str]) -> str:
    """Pure: the template with its fields filled in.

    >>> expand_tag("{{.ImageName}}-{{ .ID }}", {"ImageName": "nginx", "ID": "0123"})
    'nginx-0123'
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in fields:
            raise InvalidInput(f"log tag {template!r} names the unknown field {found[1]}; known: {', '.join(fields)}")
        return fields[found[1]]

    text = _FIELD.sub(value, template)
    if "{{" in text:
        raise InvalidInput(f"log tag {template!r}: only fields such as {{{{.Name}}}} are understood")
    return text


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InvalidInput(f"error parsing regexp: {error}: `{pattern}`") from None
