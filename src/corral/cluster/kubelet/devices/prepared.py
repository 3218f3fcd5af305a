"""Which claims are made ready on this node, for which pods, and what their containers get: kept across starts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from corral.cluster.kubelet.devices.messages import ClaimName, PreparedDevice
from corral.errors import HostError, from_oserror
from corral.kit.durable import write_durably

Object = dict[str, Any]

FILE: Final = "dra_manager_state"


class Prepared(msgspec.Struct):
    """`devices`: by driver; `done`: all drivers have said that it is ready."""

    namespace: str
    uid: str
    name: str
    pods: list[str] = []
    done: bool = False
    devices: dict[str, list[PreparedDevice]] = {}

    @property
    def claim(self) -> ClaimName:
        return ClaimName(self.namespace, self.uid, self.name)

    def names(self, request: str) -> list[str]:
        """The CDI devices for a request, for all of them where it is "".

        >>> one = Prepared("a", "u", "c", devices={"d": [PreparedDevice(("r",), cdi=("v/c=x",)),
        ...     PreparedDevice(cdi=("v/c=y",))]})
        >>> one.names("r"), one.names("s"), one.names("")
        (['v/c=x', 'v/c=y'], ['v/c=y'], ['v/c=x', 'v/c=y'])
        """
        return [
            name
            for devices in self.devices.values()
            for one in devices
            if not request or not one.requests or request in {base(each) for each in one.requests}
            for name in one.cdi
        ]


def base(request: str) -> str:
    """A pod names a request, whichever of its alternatives it got."""
    return request.partition("/")[0]


class PreparedClaims:
    """In a file, written as a whole: what a driver was asked to make ready it is asked to take back, whatever ends."""

    def __init__(self, root: str) -> None:
        self._path = f"{root}/{FILE}"
        self._known: dict[str, Prepared] = {}

    def load(self) -> None:
        """HostError."""
        try:
            with open(self._path, "rb") as file:
                found = msgspec.json.decode(file.read(), type=list[Prepared])
        except FileNotFoundError:
            return
        except OSError as error:
            raise from_oserror(f"read {self._path}", error) from error
        except msgspec.DecodeError as error:
            raise HostError(f"{self._path}: {error}") from error
        self._known = {one.uid: one for one in found}

    def save(self) -> None:
        """HostError."""
        text = msgspec.json.encode(list(self._known.values()))
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            write_durably(self._path, text)
        except OSError as error:
            raise from_oserror(f"write {self._path}", error) from error

    def find(self, uid: str) -> Prepared | None:
        return self._known.get(uid)

    def named(self, namespace: str, name: str) -> Prepared | None:
        return next((one for one in self._known.values() if (one.namespace, one.name) == (namespace, name)), None)

    def of_pod(self, pod: str) -> list[Prepared]:
        return [one for one in self._known.values() if pod in one.pods]

    def pods(self) -> set[str]:
        return {pod for one in self._known.values() for pod in one.pods}

    def add(self, claim: ClaimName, pod: str, drivers: Iterable[str]) -> Prepared:
        found = self._known.get(claim.uid)
        if found is None:
            found = Prepared(*claim, devices={driver: [] for driver in drivers})
            self._known[claim.uid] = found
        if pod not in found.pods:
            found.pods.append(pod)
        return found

    def drop(self, one: Prepared) -> None:
        self._known.pop(one.uid, None)
