"""Documents about what is served: none outlives what it tells of."""

from __future__ import annotations

import json
from typing import Any

from corral.cluster.apiserver.handlers.documents import Documents
from corral.cluster.apiserver.registry import Registry
from corral.http.body import Body
from corral.http.head import Head
from corral.http.message import Request
from corral.model.kubernetes.resources import Resource


class Changing:
    """Something is served that was not, while a document is made."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self._asked = registry, 0

    def resources(self) -> list[Resource]:
        return []

    def stale(self) -> list[tuple[str, str]]:
        return []

    def documents(self) -> list[tuple[dict[str, Any], str]]:
        return []

    def urls(self) -> dict[str, str]:
        self._asked += 1
        if self._asked == 1:
            self._registry.generation += 1
        return {f"apis/g{self._asked}.example/v1": "/openapi"}


async def test_a_document_that_was_overtaken_while_it_was_made_is_not_kept() -> None:
    registry = Registry()
    documents = Documents(registry, lambda: "127.0.0.1:6443", "v1", Changing(registry))
    seen = []
    for _ in range(3):
        body = Body(lambda: None, lambda: None)
        request = Request(Head("GET", "/openapi/v3", "1.1", {}, True, 0), body)
        answer = await documents.answer(request, "/openapi/v3")
        assert answer is not None and isinstance(answer.body, bytes)
        seen.append([*json.loads(answer.body)["paths"]])
    assert seen == [["apis/g1.example/v1"], ["apis/g2.example/v1"], ["apis/g2.example/v1"]]
