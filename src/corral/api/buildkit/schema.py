"""The messages of BuildKit's protocols: names and numbers of their fields, and classes made of them when first asked.

Only what is read or written here stands here; what is unknown in a message that comes is passed over by protobuf,
except where a field is listed to be refused.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

SCHEMA: Final = """
message Input
  string digest = 1
  int64 index = 2

message SourceOp
  string identifier = 1

message Op
  repeated Input inputs = 1
  SourceOp source = 3

message Definition
  repeated bytes def = 1
  map<string, Empty> metadata = 2

message Exporter
  string Type = 1
  map<string, string> Attrs = 2

message CacheOptionsEntry
  string Type = 1
  map<string, string> Attrs = 2

message CacheOptions
  string ExportRefDeprecated = 1
  repeated string ImportRefsDeprecated = 2
  repeated CacheOptionsEntry Exports = 4
  repeated CacheOptionsEntry Imports = 5

message SolveRequest
  string Ref = 1
  Definition Definition = 2
  string ExporterDeprecated = 3
  map<string, string> ExporterAttrsDeprecated = 4
  string Session = 5
  string Frontend = 6
  map<string, string> FrontendAttrs = 7
  CacheOptions Cache = 8
  repeated string Entitlements = 9
  map<string, Definition> FrontendInputs = 10
  bytes SourcePolicy = 12
  repeated Exporter Exporters = 13
  bool EnableSessionExporter = 14
  string SourcePolicySession = 15
  bool ProxyNetwork = 17

message SolveResponse
  map<string, string> ExporterResponse = 1

message StatusRequest
  string Ref = 1

message Timestamp
  int64 seconds = 1
  int32 nanos = 2

message Vertex
  string digest = 1
  repeated string inputs = 2
  string name = 3
  bool cached = 4
  Timestamp started = 5
  Timestamp completed = 6
  string error = 7

message VertexStatus
  string ID = 1
  string vertex = 2
  string name = 3
  int64 current = 4
  int64 total = 5
  Timestamp timestamp = 6
  Timestamp started = 7
  Timestamp completed = 8

message VertexLog
  string vertex = 1
  Timestamp timestamp = 2
  int64 stream = 3
  bytes msg = 4

message Position
  int32 line = 1
  int32 character = 2

message Range
  Position start = 1
  Position end = 2

message SourceInfo
  string filename = 1
  bytes data = 2
  Definition definition = 3
  string language = 4

message VertexWarning
  string vertex = 1
  int64 level = 2
  bytes short = 3
  repeated bytes detail = 4
  string url = 5
  SourceInfo info = 6
  repeated Range ranges = 7

message StatusResponse
  repeated Vertex vertexes = 1
  repeated VertexStatus statuses = 2
  repeated VertexLog logs = 3
  repeated VertexWarning warnings = 4

message BytesMessage
  bytes data = 1

message Platform
  string Architecture = 1
  string OS = 2
  string Variant = 3

message BuildkitVersion
  string package = 1
  string version = 2
  string revision = 3

message GCPolicy
  bool all = 1
  int64 keepDuration = 2
  int64 reservedSpace = 3
  repeated string filters = 4

message WorkerRecord
  string ID = 1
  map<string, string> Labels = 2
  repeated Platform platforms = 3
  repeated GCPolicy GCPolicy = 4
  BuildkitVersion BuildkitVersion = 5

message ListWorkersRequest
  repeated string filter = 1

message ListWorkersResponse
  repeated WorkerRecord record = 1

message InfoResponse
  BuildkitVersion buildkitVersion = 1

message PruneRequest
  repeated string filter = 1
  bool all = 2
  int64 keepDuration = 3
  int64 reservedSpace = 4
  int64 maxUsedSpace = 5
  int64 minFreeSpace = 6

message DiskUsageRequest
  repeated string filter = 1
  int64 ageLimit = 2

message UsageRecord
  string ID = 1
  bool Mutable = 2
  bool InUse = 3
  int64 Size = 4
  Timestamp CreatedAt = 6
  Timestamp LastUsedAt = 7
  int64 UsageCount = 8
  string Description = 9
  string RecordType = 10
  bool Shared = 11
  repeated string Parents = 12

message DiskUsageResponse
  repeated UsageRecord record = 1

message APICap
  string ID = 1
  bool Enabled = 2

message PongResponse
  repeated APICap FrontendAPICaps = 1
  repeated APICap LLBCaps = 2
  repeated WorkerRecord Workers = 3

message BridgeSolveRequest
  Definition Definition = 1
  string Frontend = 2
  map<string, string> FrontendOpt = 3
  bool allowResultReturn = 5
  bool Final = 10
  repeated CacheOptionsEntry CacheImports = 12
  map<string, Definition> FrontendInputs = 13
  bool Evaluate = 14
  repeated bytes SourcePolicies = 15

message Ref
  string id = 1
  Definition def = 2

message RefMap
  map<string, Ref> refs = 1

message Result
  string refDeprecated = 1
  Ref ref = 3
  RefMap refs = 4
  map<string, bytes> metadata = 10

message BridgeSolveResponse
  string ref = 1
  Result result = 3

message Any
  string type_url = 1
  bytes value = 2

message Status
  int32 code = 1
  string message = 2
  repeated Any details = 3

message ReturnRequest
  Result result = 1
  Status error = 2

message RefRequest
  string Ref = 1
  string Path = 2

message WarnRequest
  string digest = 1
  int64 level = 2
  bytes short = 3
  repeated bytes detail = 4
  string url = 5
  SourceInfo info = 6
  repeated Range ranges = 7

message FileStat
  string path = 1
  uint32 mode = 2
  uint32 uid = 3
  uint32 gid = 4
  int64 size = 5
  int64 modTime = 6
  string linkname = 7
  int64 devmajor = 8
  int64 devminor = 9
  map<string, bytes> xattrs = 10

message StatFileResponse
  FileStat stat = 1

message Packet
  int32 type = 1
  FileStat stat = 2
  uint32 ID = 3
  bytes data = 4

message CredentialsRequest
  string Host = 1

message CredentialsResponse
  string Username = 1
  string Secret = 2

message GetSecretRequest
  string ID = 1

message GetSecretResponse
  bytes data = 1

message CheckAgentRequest
  string ID = 1

message HealthCheckResponse
  int32 status = 1

message Empty
"""
_PACKAGE: Final = "corral.buildkit"
_FIELD: Final = re.compile(r"  (repeated )?(?:map<string, (\w+)>|(\w+)) (\w+) = (\d+)")
_SCALARS: Final = {"bool": 8, "bytes": 12, "int32": 5, "int64": 3, "string": 9, "uint32": 13}
_MESSAGE: Final = 11


def message(name: str, **fields: Any) -> Any:
    """A message of this name.

    >>> message("StatusRequest", Ref="a").SerializeToString()
    b'\\n\\x01a'
    """
    return _classes()[name](**fields)


def parse(name: str, data: bytes) -> Any:
    """What was sent. GrpcError where it is no such message."""
    from google.protobuf.message import DecodeError

    from corral.http.grpc.status import INTERNAL, GrpcError

    try:
        return _classes()[name].FromString(data)
    except DecodeError as error:
        raise GrpcError(INTERNAL, f"grpc: error unmarshalling request: {error}") from error


@cache
def _classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="buildkit.proto", syntax="proto3", package=_PACKAGE)
    for text in SCHEMA.strip().split("\n\n"):
        head, *lines = text.split("\n")
        made = file.message_type.add(name=head.removeprefix("message "))
        for line in lines:
            _add_field(made, line)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [one.name for one in file.message_type]
    return {one: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{one}")) for one in names}


def _add_field(made: Any, line: str) -> None:
    found = _FIELD.fullmatch(line)
    assert found is not None, line
    repeated, values, kind, name, number = found.groups()
    field = made.field.add(name=name, number=int(number), label=3 if repeated or values else 1)
    if not values:
        _set_type(field, kind)
        return
    entry = made.nested_type.add(name=f"{name[0].upper()}{name[1:]}Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_SCALARS["string"], label=1)
    _set_type(entry.field.add(name="value", number=2, label=1), values)
    field.type, field.type_name = _MESSAGE, f".{_PACKAGE}.{made.name}.{entry.name}"


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _MESSAGE, f".{_PACKAGE}.{kind}"
