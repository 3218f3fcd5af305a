"""A driver of devices, with gRPC's own server and protobuf's own messages: it makes nothing, and remembers all."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Object = dict[str, Any]

NAME = "gpu.example.com"
TEXT, BOOL, MESSAGE = 9, 8, 11
ONE, MANY = 1, 3
PACKAGE = "corral.test.dra"


def _messages() -> Any:
    """The plugin's messages, written down from the field numbers of the protocol."""
    file = descriptor_pb2.FileDescriptorProto(name="dra.proto", package=PACKAGE, syntax="proto3")

    def add(name: str, *fields: tuple[str, int, int, int, str]) -> None:
        made = file.message_type.add(name=name)
        for label, number, kind, how, of in fields:
            field = made.field.add(name=label, number=number, type=kind, label=how)
            if of:
                field.type_name = f".{PACKAGE}.{of}"

    def text(name: str, number: int, how: int = ONE) -> tuple[str, int, int, int, str]:
        return name, number, TEXT, how, ""

    add("Info", text("type", 1), text("name", 2), text("endpoint", 3), text("supported_versions", 4, MANY))
    add("Status", ("plugin_registered", 1, BOOL, ONE, ""), text("error", 2))
    add("Claim", text("namespace", 1), text("uid", 2), text("name", 3))
    add("Request", ("claims", 1, MESSAGE, MANY, "Claim"))
    device = [text("request_names", 1, MANY), text("pool_name", 2), text("device_name", 3)]
    add("Device", *device, text("cdi_device_ids", 4, MANY))
    add("Prepared", ("devices", 1, MESSAGE, MANY, "Device"), text("error", 2))
    add("Unprepared", text("error", 1))
    for name in ("Prepared", "Unprepared"):  # as a map's entries travel
        add(f"{name}Entry", text("key", 1), ("value", 2, MESSAGE, ONE, name))
        add(f"{name}Response", ("claims", 1, MESSAGE, MANY, f"{name}Entry"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)

    def find(name: str) -> Any:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

    return find


find = _messages()


class Driver:
    """`prepared`: claims by uid that are ready; `error`: what it answers instead; `broken`: the call itself fails."""

    def __init__(self, cdi: Path, registry: Path, endpoint: Path) -> None:
        self.cdi, self.registry, self.endpoint = cdi, registry, endpoint
        self.prepared: dict[str, str] = {}
        self.told: list[tuple[bool, str]] = []
        self.services = ["v1.DRAPlugin"]
        self.request = "gpu"  # of a claim, that a device is for
        self.error = self.broken = ""

    def describe(self, name: str, **edits: Any) -> None:
        """A device that containers may be given, by its CDI description."""
        self.cdi.mkdir(exist_ok=True)
        kind = {"cdiVersion": "0.6.0", "kind": f"{NAME}/gpu", "devices": [{"name": name, "containerEdits": edits}]}
        (self.cdi / f"{name}.json").write_text(json.dumps(kind))

    def info(self, _: bytes) -> bytes:
        made = find("Info")(type="DRAPlugin", name=NAME, endpoint=str(self.endpoint))
        made.supported_versions.extend(self.services)
        return bytes(made.SerializeToString())

    def status(self, data: bytes) -> bytes:
        said = find("Status").FromString(data)
        self.told.append((said.plugin_registered, said.error))
        return b""

    def prepare(self, data: bytes) -> bytes:
        answer = find("PreparedResponse")()
        for claim in find("Request").FromString(data).claims:
            entry = answer.claims.add(key=claim.uid)
            entry.value.error = self.error
            if not self.error:
                self.prepared[claim.uid] = claim.name
                ids = [f"{NAME}/gpu={claim.name}"]
                entry.value.devices.add(
                    request_names=[self.request], pool_name="p", device_name="d", cdi_device_ids=ids
                )
        return bytes(answer.SerializeToString())

    def unprepare(self, data: bytes) -> bytes:
        answer = find("UnpreparedResponse")()
        for claim in find("Request").FromString(data).claims:
            self.prepared.pop(claim.uid, None)
            answer.claims.add(key=claim.uid).value.SetInParent()
        return bytes(answer.SerializeToString())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It serves, and has laid its socket where it registers."""
        service = "k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin"
        servers = [
            await self._serve(self.endpoint, service, NodePrepareResources=self.prepare,
                              NodeUnprepareResources=self.unprepare),
            await self._serve(self.registry / f"{NAME}-reg.sock", "pluginregistration.Registration", GetInfo=self.info,
                              NotifyRegistrationStatus=self.status),
        ]  # fmt: skip
        try:
            yield
        finally:
            for server in servers:
                await server.stop(0)
            for path in (self.endpoint, self.registry / f"{NAME}-reg.sock"):
                if path.exists():
                    os.unlink(path)

    async def _serve(self, path: Path, service: str, **methods: Any) -> grpc.aio.Server:
        path.parent.mkdir(parents=True, exist_ok=True)
        server = grpc.aio.server()

        def handler(answer: Any) -> Any:
            async def asked(data: bytes, context: Any) -> bytes:
                if self.broken:
                    await context.abort(grpc.StatusCode.INTERNAL, self.broken)
                return bytes(answer(data))

            return grpc.unary_unary_rpc_method_handler(asked)

        handlers = {name: handler(answer) for name, answer in methods.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        return server
