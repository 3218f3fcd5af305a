"""The API server: the way of a request through it, from bytes to bytes.

::

    audit id -> until when? -> who asks? -> as whom? -> too many? -> may they? -> the path's handler -> answer, counted
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import msgspec

from corral.cluster.apiserver import limits
from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.audit.events import Record
from corral.cluster.apiserver.authorization.decision import Authorizer, refusal
from corral.cluster.apiserver.authorization.impersonation import impersonate, read_headers
from corral.cluster.apiserver.deadlines import plan_deadline, within
from corral.cluster.apiserver.encoding.accept import JSON
from corral.cluster.apiserver.encoding.answers import failure, gunzip, warning_headers
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.limits import Limits, is_long
from corral.cluster.apiserver.metrics import Metrics
from corral.cluster.apiserver.paths import RequestInfo, parse_request
from corral.errors import CorralError
from corral.http.answering import close_chunks
from corral.http.message import Answer, ClientGone, Hijack, Request, Response, StreamResponse
from corral.http.stream import Stream
from corral.model.kubernetes.status import StatusError, internal, status_of

log = logging.getLogger("corral.apiserver")

AUDIT_ID: Final = "Audit-Id"
_STATUS: Final = b'{"kind":"Status","apiVersion":"v1"'


class Identify(Protocol):
    async def identify(self, request: Request) -> User: ...


Begin = Callable[[Request, Attributes, str], Record | None]
Handle = Callable[[Call], Awaitable[Answer]]
Flow = Callable[[Attributes], dict[str, str]]
Own = Callable[[Stream], Awaitable[None]]


def _no_audit(request: Request, asked: Attributes, number: str) -> Record | None:
    return None


def _no_flow(asked: Attributes) -> dict[str, str]:
    return {}


@dataclass(slots=True)
class ApiServer:
    """`resources` answers paths of resources, `others` all else. `audit` begins a record, or says that none is wanted.

    `flow` gives the headers that name a request's flow schema. The handler of a corral.http Server is `handle`.
    """

    authenticator: Identify
    authorizer: Authorizer
    resources: Handle
    others: Handle
    metrics: Metrics = field(default_factory=Metrics)
    limits: Limits = field(default_factory=Limits)
    audit: Begin = _no_audit
    flow: Flow = _no_flow

    async def handle(self, request: Request) -> Answer:
        """Never raises, but for clients that have gone: every failure is a Status."""
        begun = time.perf_counter()
        number = request.header("audit-id") or str(uuid.uuid4())
        info = parse_request(request.method, request.path, request.query)
        run = _Run(request, info, number)
        try:
            answer = await self._in_time(run)
        except StatusError as error:
            answer = failure(error, request)
        except ClientGone:
            raise
        except CorralError as error:
            told = status_of(error)
            if told.code == 500:
                log.error("%s %s: %s", request.method, request.raw_path, error.message)
            answer = failure(told, request)
        except Exception as error:
            log.exception("%s %s failed (audit id %s)", request.method, request.raw_path, number)
            answer = failure(internal("this request failed in the server; its log says why"), request)
            if run.record is not None:
                run.record.panic(str(error))
        return self._finish(run, answer, begun)

    async def _in_time(self, run: _Run) -> Answer:
        try:
            deadline = plan_deadline(run.info, run.request.query, self.limits.seconds)
        except StatusError:
            run.record = self.audit(run.request, run.info.attributes(User("")), run.number)
            raise
        if deadline is None:
            return await self._answer(run)
        run.until = asyncio.get_running_loop().time() + deadline.seconds
        return await within(deadline, self._answer(run))

    async def _answer(self, run: _Run) -> Answer:
        user = await self.authenticator.identify(run.request)
        asked = run.info.attributes(user)
        run.record = self.audit(run.request, asked, run.number)
        wanted = read_headers(run.request)
        if wanted is not None:
            found = impersonate(wanted, asked, self.authorizer)
            user, asked = found.user, run.info.attributes(found.user)
            if run.record is not None:
                run.record.impersonated(found.user, found.constraint)
        run.headers |= self.flow(asked)
        if is_long(run.info):
            return await self._authorized(run, user, asked)
        kind, inflight = limits.kind_of(run.info), self.metrics.inflight
        try:
            limits.check(run.info, user, inflight, self.limits)
        except StatusError:
            self.metrics.rejected[kind] += 1
            raise
        inflight[kind] += 1
        try:
            return await self._authorized(run, user, asked)
        finally:
            inflight[kind] -= 1

    async def _authorized(self, run: _Run, user: User, asked: Attributes) -> Answer:
        decision = self.authorizer.authorize(asked)
        if run.record is not None:
            run.record.annotate("authorization.k8s.io/decision", "allow" if decision.allowed else "forbid")
            run.record.annotate("authorization.k8s.io/reason", decision.reason)
        if not decision.allowed:
            raise refusal(asked, decision.reason)
        call = run.call = Call(run.request, run.info, user)
        call.caller.deadline = run.until
        call.caller.check_create = lambda: self._require(replace(asked, verb="create"))
        return await (self.resources(call) if run.info.resource else self.others(call))

    def _require(self, asked: Attributes) -> None:
        """Raises 403 for what the user may not do."""
        decision = self.authorizer.authorize(asked)
        if not decision.allowed:
            raise refusal(asked, decision.reason)

    def _finish(self, run: _Run, answer: Answer, begun: float) -> Answer:
        """The headers that every answer has; counts and the audit log."""
        headers = answer.headers
        headers[AUDIT_ID] = run.number
        headers |= run.headers
        if run.call is not None:
            headers |= warning_headers(run.call.caller.warnings)
            if run.record is not None:
                note_call(run.record, run.call)
        if isinstance(answer, StreamResponse | Hijack) and is_long(run.info):
            if run.record is not None:
                run.record.started(answer.status)
            long = _Long(run, self.metrics, answer.status, begun)
            if isinstance(answer, Hijack):
                answer.handler = long.of_handler(answer.handler)
            else:
                answer.chunks = _Counted(answer.chunks, long)
            return answer
        self.metrics.observe(run.info, answer.status, time.perf_counter() - begun)
        if run.record is not None:
            note_answer(run.record, answer)
        return answer


@dataclass(slots=True)
class _Run:
    """One request on its way. `until`: the event loop's time at which it is given up."""

    request: Request
    info: RequestInfo
    number: str
    until: float | None = None
    call: Call | None = None
    record: Record | None = None
    headers: dict[str, str] = field(default_factory=dict)


class _Long:
    """A request without an end of its own, from its answer on: counted while it lasts, noted when it ends."""

    def __init__(self, run: _Run, metrics: Metrics, status: int, begun: float) -> None:
        self._run, self._metrics, self._status, self._begun = run, metrics, status, begun
        self._labels = metrics.begin_long(run.info)

    def end(self) -> None:
        self._metrics.end_long(self._labels)
        self._metrics.observe(self._run.info, self._status, time.perf_counter() - self._begun)
        if self._run.record is not None:
            self._run.record.complete(self._status)

    def of_handler(self, handler: Own) -> Own:
        async def own(stream: Stream) -> None:
            try:
                await handler(stream)
            finally:
                self.end()

        return own


class _Counted:
    """The pieces of a long answer. It is closed in any case, also when nobody has asked for the first piece."""

    def __init__(self, chunks: AsyncIterator[bytes], long: _Long) -> None:
        self._chunks, self._long, self._closed = chunks, long, False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                await close_chunks(self._chunks)
            finally:
                self._long.end()


def note_call(record: Record, call: Call) -> None:
    """Into the audit log: what was sent, and what admission had to say."""
    if isinstance(call.sent, dict) and (record.plan.with_request or call.info.verb == "create"):
        record.request_object(call.sent)
    for key, value in call.caller.annotations.items():
        record.annotate(key, value)


def note_answer(record: Record, answer: Answer) -> None:
    """Into the audit log: how it ended, and what was answered."""
    body = answer.body if isinstance(answer, Response) and answer.headers.get("Content-Type") == JSON else b""
    wanted = record.plan.with_response
    if wanted and body and "Content-Encoding" in answer.headers:
        body = gunzip(body)
    is_status = answer.status >= 400 or body.startswith(_STATUS)
    found = msgspec.json.decode(body) if body and (wanted or is_status) else None
    if isinstance(found, dict):
        record.response_object(found)
    record.complete(answer.status, found if is_status else None)
