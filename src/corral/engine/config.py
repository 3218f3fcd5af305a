"""What an engine is told when it opens."""

from __future__ import annotations

from msgspec import field

from corral.images.remote.config import RemoteConfig
from corral.model.container import Struct, Ulimit


class EngineConfig(Struct):
    """`root` keeps state over reboots; `run` (a tmpfs where possible) what need not survive one.

    Sizes in bytes. Empty and zero values mean that the engine chooses.
    """

    root: str = "/var/lib/corral"
    run: str = "/run/corral"
    runtime: str = ""  # default OCI runtime; "" chooses by what the host can do
    runtimes: dict[str, str] = {}  # more of them: name -> path
    conmon: str = ""
    init_path: str = ""
    init: bool = False
    log_driver: str = "json-file"
    log_max_size: int = 10 << 20
    log_max_files: int = 3
    bridge_subnet: str = ""
    bridge_mtu: int = 0
    ipv6: bool = False
    icc: bool = True
    dns: list[str] = []
    dns_search: list[str] = []
    dns_options: list[str] = []
    shm_size: int = 64 << 20
    ulimits: list[Ulimit] = field(default_factory=list)
    cgroup_parent: str = ""
    stop_timeout: int = 10  # seconds
    labels: list[str] = []
    remote: RemoteConfig = field(default_factory=RemoteConfig)
    build_cache_limit: int | None = None  # 0 is none
    userns_remap: str = ""  # "default", or USER[:GROUP] whose subordinate ids containers get
