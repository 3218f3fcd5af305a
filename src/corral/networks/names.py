"""What an instance calls its things on the host, so that several live side by side and each knows its own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_VETH = re.compile(r"c([0-9a-f]{5})([0-9a-f]{8})([0-9a-z])$")
_SPAN = re.compile(r"[st]([0-9a-f]{5})[0-9a-f]{6}[0-9]{2}$")
TURNS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class InstanceNames:
    """`tag` is "" for the default instance, else a few hexadecimal digits.

    >>> InstanceNames("").bridge, InstanceNames("").table
    ('corral0', 'corral')
    >>> InstanceNames("ab12").bridge, InstanceNames("ab12").table
    ('cr-ab12', 'corral_ab12')
    """

    tag: str = ""

    @classmethod
    def of_root(cls, root: str, default: str = "/var/lib/corral") -> InstanceNames:
        """The names of the instance whose state is in `root`.

        >>> InstanceNames.of_root("/var/lib/corral").tag, InstanceNames.of_root("/srv/x").tag
        ('', 'c0fd')
        """
        return cls("" if root == default else hashlib.sha256(root.encode()).hexdigest()[:4])

    @property
    def bridge(self) -> str:
        return f"cr-{self.tag}" if self.tag else "corral0"

    @property
    def table(self) -> str:
        return f"corral_{self.tag}" if self.tag else "corral"

    @property
    def _mark(self) -> str:
        """Five digits in the names of interfaces; a default instance's is no other instance's."""
        return hashlib.sha256(f"corral {self.tag}".encode()).hexdigest()[:5]

    @property
    def tunnel(self) -> str:
        """The interface of the tunnel to other nodes."""
        return f"v{self._mark}"

    def veth(self, container_id: str, turn: int = 0) -> str:
        """The host's end of a container's cable: found from the id alone. 15 characters, the kernel's limit.

        `turn` is one digit or letter: a container may have several, and those of its last run may still be going away.
        """
        return f"c{self._mark}{container_id[:8]}{TURNS[turn]}"

    def veth_owner(self, interface: str) -> str | None:
        """The first eight digits of the id of the container it belongs to; None if it is not this instance's.

        >>> names = InstanceNames("ab12")
        >>> names.veth_owner(names.veth("0123456789abcdef", 3)), names.veth_owner("veth0")
        ('01234567', None)
        """
        found = _VETH.match(interface)
        return found.group(2) if found and found.group(1) == self._mark else None

    def user_bridge(self, network_id: str) -> str:
        """The bridge of a network that somebody made.

        >>> len(InstanceNames("ab12").user_bridge("0123456789abcdef"))
        15
        """
        return f"cn{self._mark}{network_id[:8]}"

    def extension(self, network_id: str, number: int) -> str:
        """A further bridge of a network that one bridge is too small for."""
        return f"cx{self._mark}{network_id[:6]}{number:02d}"

    def span(self, network_id: str, number: int) -> tuple[str, str]:
        """The ends of the cable between a network's bridge and a further one."""
        rest = f"{self._mark}{network_id[:6]}{number:02d}"
        return f"s{rest}", f"t{rest}"

    def is_span(self, interface: str) -> bool:
        found = _SPAN.match(interface)
        return found is not None and found.group(1) == self._mark

    def is_further(self, interface: str) -> bool:
        """Whether it is a further bridge, or a cable to one."""
        return interface.startswith(f"cx{self._mark}") or self.is_span(interface)

    def alias(self, network_id: str) -> str:
        """The note on an interface that says whose it is, and which network's."""
        return f"corral {self._mark} {network_id}"

    def network_of(self, alias: str) -> str | None:
        """The id of the network that a note names; None if it is not this instance's.

        >>> names = InstanceNames("ab12")
        >>> names.network_of(names.alias("4f2a")), names.network_of("corral 00000 4f2a"), names.network_of("")
        ('4f2a', None, None)
        """
        word, _, rest = alias.partition(" ")
        mark, _, network = rest.partition(" ")
        return network if word == "corral" and mark == self._mark else None

    def network_id(self, network: str) -> str:
        """64 hexadecimal digits that stay the same for this instance's network."""
        return hashlib.sha256(f"corral network {self.tag} {network}".encode()).hexdigest()
