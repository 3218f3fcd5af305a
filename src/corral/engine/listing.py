"""Which containers a question is about: the filters of list and prune, as pure functions.

Filters are a dictionary from a name to the values asked for; several values of one name mean any of them, but for
labels all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from corral.engine.filters import Filters, flag, labels_fit, matches_text, refuse_unknown
from corral.engine.named import is_alone
from corral.errors import InvalidInput, NotFound
from corral.model.container import Container, Endpoint
from corral.model.image import Image
from corral.networks.places import plan_ways

STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTHS = ("none", "starting", "healthy", "unhealthy")
LIST_FILTERS = frozenset(
    "ancestor before exited expose health id is-task isolation label label! name network publish since status volume"
    .split()
)  # fmt: skip


class ShownPort(NamedTuple):
    """A port as lists show it. `public` is 0 for one that is only exposed."""

    private: int
    protocol: str
    public: int = 0
    address: str = ""


def shown_ports(container: Container) -> list[ShownPort]:
    """Pure: the ports of a running container with a network of its own: published ones; those that routed networks
    open, which have an address and no public number; then merely exposed ones."""
    if not container.state.running or not container.endpoints:
        return []
    bound = [ShownPort(p.port, p.protocol, p.host_port, p.host_ip) for p in container.ports]
    bound += [
        ShownPort(port.port, port.protocol, 0, every)
        for port in container.spec.network.ports
        for every in _routed(container.endpoints)
        if not port.host_ip or (":" in port.host_ip) == (":" in every)
    ]
    taken = {(port.private, port.protocol) for port in bound}
    wanted = {(p.port, p.protocol): None for p in container.spec.network.ports}
    exposed = {port: None for text in container.spec.exposed_ports for port in expand_ports(text)}
    rest = [ShownPort(number, protocol) for number, protocol in (exposed | wanted) if (number, protocol) not in taken]
    return sorted(
        bound + rest,
        key=lambda port: (port.protocol != "tcp", port.private, not port.public, port.address != "0.0.0.0"),
    )


def _routed(endpoints: Mapping[str, Endpoint]) -> list[str]:
    """Pure: "0.0.0.0", "::", where the network that leads out routes this version of IP."""
    ways = plan_ways(endpoints)
    pairs = ((4, ways.ipv4, "0.0.0.0"), (6, ways.ipv6, "::"))
    return [every for version, name, every in pairs if name and version in endpoints[name].routed]


def expand_ports(text: str) -> list[tuple[int, str]]:
    """Pure: the ports that "80-81/tcp" stands for. ValueError for anything else.

    >>> expand_ports("80-81/udp"), expand_ports("22")
    ([(80, 'udp'), (81, 'udp')], [(22, 'tcp')])
    """
    number, _, protocol = text.partition("/")
    found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", number)
    if not found or int(found[2] or found[1]) > 65535:
        raise ValueError(f'invalid port: "{text}"')
    return [(port, protocol or "tcp") for port in range(int(found[1]), int(found[2] or found[1]) + 1)]


def select(
    containers: Iterable[Container],
    filters: Filters,
    *,
    all: bool = False,
    limit: int = 0,
    image_family: Callable[[str], set[str]] = lambda ref: set(),
) -> list[Container]:
    """Pure: newest first. `image_family` gives the ids of an image and of those made from it.

    Only running ones without `all`, a `limit` or a status filter. InvalidInput for filters that make no sense,
    NotFound where `before` or `since` name nothing.
    """
    refuse_unknown(filters, LIST_FILTERS)
    containers = [c for c in containers if is_shown(c, filters)]
    tests = _tests(filters, image_family)
    listed = sorted(containers, key=lambda c: c.created, reverse=True)
    listed = _between(listed, filters)
    show_all = all or limit > 0 or "status" in filters
    chosen = [c for c in listed if (show_all or c.state.running) and _matches(tests, c)]
    return chosen[:limit] if limit > 0 else chosen


def is_shown(container: Container, filters: Filters) -> bool:
    """Pure: an unlisted container is shown to who asks for a label that starts as it says.

    >>> from corral.model.container import ContainerSpec
    >>> one = Container("1", "a", 0, "i", ContainerSpec("x", unlisted="org.pods."))
    >>> is_shown(one, {}), is_shown(one, {"label": ["org.pods.name"]})
    (False, True)
    """
    start = container.spec.unlisted
    return not start or any(label.startswith(start) for label in filters.get("label", ()))


Test = Callable[[Container], bool]


def _matches(tests: Sequence[Test], container: Container) -> bool:
    return not any(not test(container) for test in tests)


def _tests(filters: Filters, image_family: Callable[[str], set[str]]) -> list[Test]:
    """One test for each kind of filter that is there."""
    made = [maker(filters[name]) for name, maker in _MAKERS.items() if name in filters]
    if "label" in filters or "label!" in filters:
        made.append(lambda c: labels_fit(filters, c.spec.labels))
    if "is-task" in filters:
        wants_tasks = flag(filters, "is-task", False)
        made.append(lambda c: not wants_tasks)
    if "ancestor" in filters:
        family = set[str]().union(*(image_family(ref) for ref in filters["ancestor"]))
        made.append(lambda c: c.image_id in family)
    if "publish" in filters or "expose" in filters:
        made.append(_ports_test(filters))
    return made


def _name(values: Sequence[str]) -> Test:
    return lambda c: any(matches_text(value, c.name) or matches_text(value, "/" + c.name) for value in values)


def _id(values: Sequence[str]) -> Test:
    return lambda c: c.id.startswith(tuple(value for value in values if value))


def _status(values: Sequence[str]) -> Test:
    _check_values("status", "state", values, STATUSES)
    return lambda c: c.state.status in values


def _health(values: Sequence[str]) -> Test:
    _check_values("health", "health", values, HEALTHS)
    return lambda c: (c.state.health.status if c.state.health else "none") in values


def _check_values(name: str, what: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise InvalidInput(
                f"invalid filter '{name}={value}': invalid value for {what} ({value}): "
                f"must be one of {', '.join(known)}"
            )


def _exited(values: Sequence[str]) -> Test:
    codes = set()
    for value in values:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            raise InvalidInput(f"invalid filter 'exited={value}': strconv.Atoi: parsing \"{value}\": invalid syntax")
        codes.add(int(value))
    return lambda c: c.state.exit_code in codes and not c.state.running and c.state.started_at > 0


def _volume(values: Sequence[str]) -> Test:
    def test(container: Container) -> bool:
        points = container.mount_points
        return any(value in (p.name or p.source, p.target) for value in values for p in points)

    return test


def _network(values: Sequence[str]) -> Test:
    def test(container: Container) -> bool:
        network = container.spec.network
        mode = "bridge" if network.mode == "default" else network.mode
        own = () if mode == "none" and not is_alone(mode, network) else (mode,)
        names = {*own, *network.endpoints, *container.endpoints}
        ids = [endpoint.network_id for endpoint in container.endpoints.values()]
        return any(value in names or any(value and id.startswith(value) for id in ids) for value in values)

    return test


_MAKERS: dict[str, Callable[[Sequence[str]], Test]] = {
    "name": _name,
    "id": _id,
    "status": _status,
    "health": _health,
    "exited": _exited,
    "volume": _volume,
    "network": _network,
}


def _ports_test(filters: Filters) -> Test:
    published, exposed = (_port_set(name, filters.get(name, ())) for name in ("publish", "expose"))

    def test(container: Container) -> bool:
        return any(
            (port.public, port.protocol) in published or (port.private, port.protocol) in exposed
            for port in shown_ports(container)
        )

    return test


def _port_set(name: str, values: Sequence[str]) -> set[tuple[int, str]]:
    ports: set[tuple[int, str]] = set()
    for value in values:
        if ":" in value:
            raise InvalidInput(f"filter for '{name}' should not contain ':': {value}")
        try:
            ports.update(expand_ports(value))
        except ValueError as error:
            raise InvalidInput(f"error while looking up for {name} {value}: {error}") from None
    return ports


def _between(listed: list[Container], filters: Filters) -> list[Container]:
    """The part of a list (newest first) after `before` and ahead of `since`."""
    for value in filters.get("before", ()):
        listed = listed[_position(listed, value) + 1 :]
    for value in filters.get("since", ()):
        listed = listed[: _position(listed, value)]
    return listed


def _position(listed: Sequence[Container], ref: str) -> int:
    name = ref.removeprefix("/")
    for n, container in enumerate(listed):
        if container.name == name or (ref and container.id.startswith(ref)):
            return n
    raise NotFound(f"No such container: {ref}")


def image_family(images: Iterable[Image], id: str) -> set[str]:
    """Pure: an image's id and those of all images made from it: what their own records say, layers and history.

    A commit names its parent; a build, here or elsewhere, does not.

    >>> images = [Image("a", diff_ids=["1"]), Image("b", parent="a"), Image("c", parent="b"), Image("d")]
    >>> sorted(image_family([*images, Image("e", diff_ids=["1", "2"])], "a"))
    ['a', 'b', 'c', 'e']
    """
    known = list(images)
    family = {id}
    for base in known:
        if base.id == id:
            family |= {image.id for image in known if is_made_from(image, base)}
    while found := {image.id for image in known if image.parent in family} - family:
        family |= found
    return family


def is_made_from(image: Image, base: Image) -> bool:
    """Pure: whether `image` begins with all that `base` is, and goes on: a step without a layer is in the history.

    >>> from corral.model.image import HistoryEntry
    >>> base = Image("a", diff_ids=["1"], history=[HistoryEntry(5, "ADD")])
    >>> labelled = Image("b", diff_ids=["1"], history=[HistoryEntry(5, "ADD"), HistoryEntry(9, "LABEL", "", "", True)])
    >>> is_made_from(labelled, base), is_made_from(base, base), is_made_from(base, labelled)
    (True, False, False)
    """
    layers, steps = len(base.diff_ids), len(base.history)
    if not layers or image.diff_ids[:layers] != base.diff_ids:
        return False
    if len(image.diff_ids) > layers:
        return True
    return steps > 0 and image.history[:steps] == base.history and len(image.history) > steps


def plan_prune(filters: Filters, until: int) -> Test:
    """Pure: the test for what a prune takes: made before `until` (0: ever), labels as asked."""
    refuse_unknown(filters, ("label", "label!", "until"))
    return lambda c: (until == 0 or c.created <= until) and labels_fit(filters, c.spec.labels)
