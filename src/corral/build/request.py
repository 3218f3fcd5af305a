"""What a build is asked for (`BuildRequest`), and what it tells while it works (`BuildEvent`)."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from corral.build.ops import Span, Warning
from corral.errors import InvalidInput
from corral.model.container import Resources, Struct, Ulimit
from corral.model.transfer import Credentials


class CacheStore(Struct):
    """Where a cache is brought from or taken to. `ref` is a name; of a local one that is brought, the directory in
    which it was received, "" where there is none. A local one that is taken away is given out, as a tar."""

    kind: Literal["registry", "inline", "local"]
    ref: str = ""
    mode: Literal["min", "max"] = "min"
    options: dict[str, str] = {}


class Output(Struct):
    """`image` stays in the image store; the others are given out as one tar: of the files, or of an image archive."""

    kind: Literal["image", "files", "oci", "docker", "none"] = "image"
    options: dict[str, str] = {}


class BuildRequest(Struct):
    """`context` is a directory (made by `context.receive`, and the builder's to read), "" if there is none.

    `dockerfile` is a path in the context; `dockerfile_text` counts instead where it is set. `build_args` with None
    take the value of the predefined argument or none. Secrets are bytes by id; `ssh` are sockets of agents by id;
    `contexts` are named contexts: a directory, "docker-image://REF" or a URL.
    """

    context: str = ""
    dockerfile: str = "Dockerfile"
    dockerfile_text: str | None = None
    tags: list[str] = []
    target: str = ""
    platform: str = ""
    build_args: dict[str, str | None] = {}
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    no_cache: bool = False
    no_cache_stages: list[str] = []
    pull: bool = False
    network: str = ""  # "", "none", "host", "container:NAME" or a network's name
    extra_hosts: list[str] = []
    resources: Resources = field(default_factory=Resources)
    ulimits: list[Ulimit] = []
    cgroup_parent: str = ""  # of what a RUN starts; "" is the instance's own
    shm_size: int = 0
    secrets: dict[str, bytes] = {}
    ssh: dict[str, str] = {}
    contexts: dict[str, str] = {}
    cache_from: list[CacheStore] = []
    cache_to: list[CacheStore] = []
    outputs: list[Output] = []
    squash: bool = False
    source_date_epoch: int | None = None  # seconds; also taken from the build argument SOURCE_DATE_EPOCH
    allow_insecure: bool = False
    allow_host_network: bool = False
    check_only: bool = False  # lint, and end
    credentials: dict[str, Credentials] = {}  # by registry, as docker's X-Registry-Config has them
    id: str = ""  # to cancel it by


class Started(Struct, tag=True):
    """A piece of work begins. `name` is what people read: "[build 2/7] RUN make", "[internal] load build context".

    `step` is "Step 2/7 : RUN make" for the classic display, "" for work that is no instruction.
    """

    vertex: int
    name: str
    step: str = ""


class Entered(Struct, tag=True):
    """A process begins in a container of its own, which nobody else sees."""

    vertex: int
    container: str


class Printed(Struct, tag=True):
    """What it wrote: `stream` is 1 or 2."""

    vertex: int
    data: bytes
    stream: int = 1


class Moved(Struct, tag=True):
    """How far a transfer is: `id` of what (a layer, a URL), bytes so far and in all (0 is unknown)."""

    vertex: int
    id: str
    status: str
    current: int = 0
    total: int = 0


class Finished(Struct, tag=True):
    """`image` is the id of what stands after a step ("" where nothing has one); `container` where it ran."""

    vertex: int
    cached: bool = False
    error: str = ""
    image: str = ""
    container: str = ""


class Warned(Struct, tag=True):
    warning: Warning


class Built(Struct, tag=True):
    """The end of a build that went well. `image` is "" where the output is no image."""

    image: str
    names: list[str] = []
    digest: str = ""


class Given(Struct, tag=True):
    """A piece of the output tar."""

    data: bytes


class CacheGiven(Struct, tag=True):
    """A piece of the tar of a local cache: the number of it among `cache_to`. An OCI image layout, index.json last."""

    store: int
    data: bytes


BuildEvent = Started | Entered | Printed | Moved | Finished | Warned | Built | Given | CacheGiven


class BuildFailed(InvalidInput):
    """A build that can't go on. `message` is one line in BuildKit's words; `excerpt` shows the place in the file.

    `exit_code` is that of the process that failed, 0 where none did. `warnings` are what lint said until then.
    `classic` are the words of Docker's classic builder, "" where they are the same.
    """

    def __init__(
        self, message: str, *, span: Span | None = None, excerpt: str = "", exit_code: int = 0, classic: str = ""
    ) -> None:
        super().__init__(message)
        self.span, self.excerpt, self.exit_code, self.classic = span, excerpt, exit_code, classic
        self.warnings: list[Warning] = []


def wants_inline(request: BuildRequest) -> bool:
    """Pure: whether the image is to say what its layers are for.

    >>> wants_inline(BuildRequest(build_args={"BUILDKIT_INLINE_CACHE": "1"})), wants_inline(BuildRequest())
    (True, False)
    """
    argument = request.build_args.get("BUILDKIT_INLINE_CACHE") or ""
    return argument.lower() in ("1", "true") or any(store.kind == "inline" for store in request.cache_to)
