"""Every setting of the daemon, once: this table makes the flags of `corral up`, the keys of config.toml and the docs.

What a value means to the engine is decided in `corral.daemon.config`.
"""

from __future__ import annotations

from corral.cli.options import Option

TEXT, FLAG, NUMBER, SIZE, LIST, TABLE = "text", "flag", "number", "size", "list", "table"


class Setting:
    """`default` is as it would stand in the file: `"10m"`, `true`, `[]`. A table may also be a list of KEY=VALUE."""

    __slots__ = ("default", "help", "key", "kind", "value")

    def __init__(self, key: str, kind: str, default: str | int | bool | list[str], value: str, help: str) -> None:
        self.key = key
        self.kind = kind
        self.default = default
        self.value = value
        self.help = help

    def option(self) -> Option:
        """The flag of `corral up`; a flag whose default is true is switched off with --key=false."""
        if self.default in ("", [], False, 0):
            more = ""
        else:
            more = f" (default {str(self.default).lower() if self.kind == FLAG else self.default})"
        return Option(f"--{self.key}", self.value, self.help + more, many=self.kind in (LIST, TABLE))


REGISTRY = (
    Setting("registry", TEXT, "", "ADDRESS:PORT", "where the registry is; empty: 127.0.0.1:5000, with --root `off`"),
    Setting("registry-tlscert", TEXT, "", "FILE", "its certificate: with one it speaks HTTPS only"),
    Setting("registry-tlskey", TEXT, "", "FILE", "the key of that certificate"),
    Setting("registry-htpasswd", TEXT, "", "FILE", "who may log in (bcrypt); without it everybody may do everything"),
    Setting("registry-right", LIST, [], "USER:REPO:ACTIONS", "who may do what: alice:team/*:pull,push,delete"),
    Setting("registry-anonymous-pull", FLAG, False, "", "who is not logged in may pull, and no more"),
    Setting("registry-public-url", TEXT, "", "URL", "how clients reach it, if a proxy stands before it"),
    Setting("registry-immutable", LIST, [], "REPO:TAG", "tags that never change once pushed, as in *:v*"),
    Setting("registry-retain", LIST, [], "REPO:TAG:KEEP", "tags that are kept, as in ci/*:*:last=5,younger=7d"),
    Setting("registry-keep-untagged", TEXT, "", "TIME", "manifests without a tag go after it, as in 7d; empty: never"),
    Setting("registry-keep-unused", TEXT, "1d", "TIME", "blobs that no manifest needs go after it"),
    Setting("registry-webhook", LIST, [], "URL", "is told of every push and deletion"),
    Setting("registry-proxy", LIST, [], "PREFIX=URL", "repositories that are fetched from there, and kept"),
    Setting("registry-proxy-auth", TEXT, "", "FILE", "a docker config.json: who the registry is at those"),
    Setting("registry-proxy-fresh", TEXT, "0s", "TIME", "a tag from there is not looked at again before"),
    Setting("registry-proxy-keep", TEXT, "7d", "TIME", "what nobody asked for so long goes"),
    Setting("registry-read-only", FLAG, False, "", "nothing is pushed or deleted"),
    Setting("registry-sparse", FLAG, False, "", "a manifest may name content that is not there"),
)

KUBERNETES = (
    Setting("kubernetes", FLAG, True, "", "serve the Kubernetes API too"),
    Setting("nodes", NUMBER, 1, "N", "nodes of the cluster on this machine, each in a network namespace of its own"),
    Setting(
        "kubernetes-node-address", TEXT, "", "ADDRESS", "where others reach this node (A,B); empty: as it goes out"
    ),
    Setting("kubernetes-kubelet-port", NUMBER, 0, "PORT", "of this node's kubelet; 0: 10250, or a free one if need be"),
    Setting("kubernetes-node-grace", NUMBER, 40, "SECONDS", "a node that is silent for so long is not ready"),
    Setting(
        "kubernetes-address",
        TEXT,
        "",
        "ADDRESS:PORT",
        "where; empty: 127.0.0.1:6443, with --root a free port if need be",
    ),
    Setting("store", TEXT, "", "etcd://HOST:PORT,...", "the cluster's state, for several servers; empty: a file here"),
    Setting("store-tlscacert", TEXT, "", "FILE", "the authority of etcd's certificate: with one, TLS is spoken"),
    Setting("store-tlscert", TEXT, "", "FILE", "this server's certificate for etcd"),
    Setting("store-tlskey", TEXT, "", "FILE", "the key of that certificate"),
    Setting("store-user", TEXT, "", "NAME", "who this server is for etcd, where its authentication is on"),
    Setting("store-password", TEXT, "", "FILE", "the file that has that user's password"),
    Setting("kubernetes-name", LIST, [], "NAME", "one more name or address in its certificate"),
    Setting(
        "kubernetes-service-subnet",
        LIST,
        [],
        "CIDR",
        "of Services, and so pods' families; none: as stored, or 10.96.0.0/12",
    ),
    Setting(
        "kubernetes-scheduler-config",
        TEXT,
        "",
        "FILE",
        "a KubeSchedulerConfiguration; empty: the default profile",
    ),
    Setting(
        "kubernetes-manifests", TEXT, "", "DIR", "static pods, a file each; empty: manifests in the state directory"
    ),
    Setting("kubernetes-plugins", TEXT, "", "DIR", "where drivers of devices register; empty: in the state directory"),
    Setting("kubernetes-eviction-hard", TEXT, "default", "LIST", "pods are evicted below SIGNAL<VALUE,…; none: never"),
    Setting("kubernetes-eviction-soft", TEXT, "", "LIST", "the same, SIGNAL<VALUE,…, after a signal's grace period"),
    Setting("kubernetes-eviction-soft-grace-period", TEXT, "", "LIST", "that period, as in pid.available=1m"),
    Setting("kubernetes-eviction-minimum-reclaim", TEXT, "", "LIST", "SIGNAL=VALUE,…: won back beyond it"),
    Setting("kubernetes-eviction-max-pod-grace-period", NUMBER, 0, "SECONDS", "that pods have at a soft one"),
    Setting("kubernetes-eviction-pressure-transition-period", TEXT, "5m", "TIME", "a condition lasts so long"),
    Setting("kubernetes-image-gc-high-threshold", NUMBER, 90, "PERCENT", "pods' unused images go at it; 100: never"),
    Setting("kubernetes-image-gc-low-threshold", NUMBER, 85, "PERCENT", "until it is no fuller than this"),
    Setting("kubernetes-image-minimum-gc-age", TEXT, "2m", "TIME", "an image that has just come does not go"),
    Setting("kubernetes-image-maximum-gc-age", TEXT, "0s", "TIME", "one that is unused for so long does; 0s: never"),
    Setting("kubernetes-audit-policy", TEXT, "", "FILE", "what its audit log records; empty: there is none"),
    Setting("kubernetes-audit-log", TEXT, "", "FILE", "where; empty: kubernetes/audit.log in the state directory"),
    Setting("kubernetes-oidc-issuer-url", TEXT, "", "URL", "the identity provider whose users may log in; empty: none"),
    Setting("kubernetes-oidc-client-id", TEXT, "", "NAME", "for whom its tokens must be"),
    Setting("kubernetes-oidc-username-claim", TEXT, "sub", "CLAIM", "what a user is called by"),
    Setting("kubernetes-oidc-username-prefix", TEXT, "", "TEXT", "before it; -: none; empty: URL#, none for email"),
    Setting("kubernetes-oidc-groups-claim", TEXT, "", "CLAIM", "what a user's groups are; empty: none"),
    Setting("kubernetes-oidc-groups-prefix", TEXT, "", "TEXT", "before each of them"),
    Setting("kubernetes-oidc-required-claim", LIST, [], "CLAIM=VALUE", "what its tokens must say"),
    Setting("kubernetes-oidc-signing-alg", LIST, [], "NAME", "how they may be signed; none: RS256"),
    Setting("kubernetes-oidc-ca-file", TEXT, "", "FILE", "the authority of its certificate; empty: the system's"),
)

SETTINGS = (
    Setting("socket-group", TEXT, "", "GROUP", "who, besides root, may use the socket: root's equal"),
    Setting("docker-socket", FLAG, False, "", "offer /var/run/docker.sock too, if nobody owns it"),
    Setting("host", LIST, [], "tcp://ADDRESS:PORT", "listen on TCP as well; needs tlsverify unless it is the loopback"),
    Setting("tlsverify", FLAG, False, "", "clients on TCP must show a certificate that tlscacert signed"),
    Setting("tlscacert", TEXT, "/etc/corral/ca.pem", "FILE", "the authority of the clients' certificates"),
    Setting("tlscert", TEXT, "/etc/corral/cert.pem", "FILE", "this machine's certificate"),
    Setting("tlskey", TEXT, "/etc/corral/key.pem", "FILE", "the key of that certificate"),
    Setting("runtime", TEXT, "", "NAME", "OCI runtime: crun or runc; empty: what this host can do"),
    Setting("add-runtime", LIST, [], "NAME=PATH", "one more runtime for --runtime"),
    Setting("conmon", TEXT, "", "FILE", "the monitor; empty: found in the usual places"),
    Setting("init", FLAG, False, "", "every container gets an init, unless it says otherwise"),
    Setting("init-path", TEXT, "", "FILE", "that init; empty: docker-init, tini or catatonit"),
    Setting("log-driver", TEXT, "json-file", "NAME", "default of containers: json-file, local or none"),
    Setting("log-max-size", SIZE, "10m", "BYTES", "a container's log is rotated at this size"),
    Setting("log-max-file", NUMBER, 3, "N", "how many files of it are kept"),
    Setting("bridge-subnet", TEXT, "", "CIDR", "addresses of the default bridge; empty: a free range"),
    Setting("bridge-mtu", NUMBER, 0, "BYTES", "MTU of the default bridge; 0: that of the way out"),
    Setting("ipv6", FLAG, False, "", "IPv6 on the default bridge"),
    Setting("icc", FLAG, True, "", "containers on the default bridge reach each other"),
    Setting("dns", LIST, [], "ADDRESS", "name servers of containers; none: the host's"),
    Setting("dns-search", LIST, [], "DOMAIN", "their search domains"),
    Setting("dns-opt", LIST, [], "OPTION", "their resolver options"),
    Setting("default-ulimit", LIST, [], "NAME=SOFT[:HARD]", "resource limits of containers"),
    Setting("default-shm-size", SIZE, "64m", "BYTES", "size of /dev/shm in containers"),
    Setting("build-cache-limit", TEXT, "", "BYTES", "kept for later builds; empty: 10g or a tenth of the disk; 0: any"),
    Setting("cgroup-parent", TEXT, "", "PATH", "the cgroup of all containers; empty: the instance's own"),
    Setting("stop-timeout", NUMBER, 10, "SECONDS", "grace of `stop` for containers that do not say"),
    Setting("label", LIST, [], "KEY=VALUE", "labels of this engine, shown by `info`"),
    Setting("live-restore", FLAG, True, "", "containers outlive the daemon: always so, false is refused"),
    Setting("registry-mirror", TABLE, [], "[REGISTRY=]URL", "asked before a registry (docker.io); *= for every one"),
    Setting("insecure-registry", LIST, [], "HOST[:PORT]|CIDR", "registries without TLS, or with any certificate"),
    Setting("registry-certs", LIST, [], "DIR", "directories with HOST[:PORT]/ca.crt, client.cert, client.key"),
    Setting("max-concurrent-downloads", NUMBER, 3, "N", "layers that are pulled at a time"),
    Setting("max-concurrent-uploads", NUMBER, 5, "N", "layers that are pushed at a time"),
    Setting("max-download-attempts", NUMBER, 5, "N", "tries of a request to a registry"),
    Setting("userns-remap", TEXT, "", "USER[:GROUP]", "whose subordinate ids containers get; `default`: free ones"),
    Setting("log-level", TEXT, "info", "LEVEL", "of the daemon: debug, info, warning, error"),
    *REGISTRY,
    *KUBERNETES,
)

BY_KEY = {setting.key: setting for setting in SETTINGS}
