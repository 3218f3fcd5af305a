"""What an instance calls its things on the host, so that several live side by side and each knows its own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_VETH = re.compile(r"c([0-9a-f]{5})([0-9a-f]{8})([0-9a-f])$")


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

    def veth(self, container_id: str, turn: int = 0) -> str:
        """The host's end of a container's cable: found from the id alone. 15 characters, the kernel's limit.

        `turn` is one hexadecimal digit: the interface of a container's last run may still be going away.
        """
        return f"c{self._mark}{container_id[:8]}{turn:x}"

    def veth_owner(self, interface: str) -> str | None:
        """The first eight digits of the id of the container it belongs to; None if it is not this instance's.

        >>> names = InstanceNames("ab12")
        >>> names.veth_owner(names.veth("0123456789abcdef", 3)), names.veth_owner("veth0")
        ('01234567', None)
        """
        found = _VETH.match(interface)
        return found.group(2) if found and found.group(1) == self._mark else None

    def network_id(self, network: str) -> str:
        """64 hexadecimal digits that stay the same for this instance's network."""
        return hashlib.sha256(f"corral network {self.tag} {network}".encode()).hexdigest()
