"""What the controllers of certificates are given: keys and authorization are not theirs."""

from __future__ import annotations

from typing import Protocol

from corral.cluster.client.protocol import Object
from corral.model.kubernetes.certificate_requests import Subject


class Signer(Protocol):
    def subject(self, request: str) -> Subject:
        """What `spec.request` asks to be called. InvalidInput."""
        ...

    def sign(self, found: Object, now: int) -> Object | None:
        """The request as a signer leaves it: with a certificate or the condition Failed; None: nothing to do."""
        ...

    async def may_create(self, found: Object, subresource: str) -> bool:
        """Whether who made the request may create certificatesigningrequests/`subresource`. StatusError."""
        ...
