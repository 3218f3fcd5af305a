"""The options of `corral build`: those of `docker build` and `docker buildx build`."""

from __future__ import annotations

from corral.cli.options import Option, flag, many, text

OPTIONS = (
    text("-f --file", "FILE", "the Dockerfile (default: PATH/Dockerfile; - is stdin)"),
    many("-t --tag", "NAME[:TAG]", "the image's name"),
    text("--target", "STAGE", "the stage to build"),
    many("--build-arg", "NAME[=VALUE]", "value of an ARG; NAME alone takes it from the environment"),
    many("--secret", "id=ID[,src=FILE|,env=NAME]", "a secret for RUN --mount=type=secret"),
    many("--ssh", "default|ID[=SOCKET]", "an ssh agent for RUN --mount=type=ssh"),
    many("--label", "KEY=VALUE", "label of the image"),
    many("--annotation", "KEY=VALUE", "annotation of its manifest"),
    flag("--no-cache", "do every step anew"),
    many("--no-cache-filter", "STAGE", "do this stage's steps anew"),
    flag("--pull", "ask the registry for newer base images"),
    text("--platform", "OS/ARCH", "the platform to build for (this machine's)"),
    text("--network", "MODE", "network of RUN: default, none, host, or a network's name"),
    many("--add-host", "NAME:ADDRESS", "a line in /etc/hosts"),
    text("--shm-size", "BYTES", "size of /dev/shm"),
    many("--ulimit", "NAME=SOFT[:HARD]", "a resource limit of RUN"),
    text("-m --memory", "BYTES", "memory limit of RUN"),
    text("--memory-swap", "BYTES", "memory and swap together, -1 for no limit"),
    text("-c --cpu-shares", "N", "CPU weight against others"),
    text("--cpu-period", "MICROSECONDS", "period of the CPU quota"),
    text("--cpu-quota", "MICROSECONDS", "CPU time in each period"),
    text("--cpuset-cpus", "LIST", "which CPUs, 0-3,5"),
    text("--cpuset-mems", "LIST", "which memory nodes"),
    many(
        "-o --output", "type=TYPE,dest=PATH", "local, tar, oci, docker, image, registry; a PATH alone is local, - tar"
    ),
    flag("--load", "keep the image in the image store (the default)"),
    flag("--push", "push the image to the registries of its names"),
    many("--cache-from", "type=TYPE,ref=NAME", "a cache to use: registry (ref=NAME) or local (src=DIRECTORY)"),
    many("--cache-to", "type=TYPE,ref=NAME", "where the cache is written to: registry, inline, local (dest=DIRECTORY)"),
    many("--build-context", "NAME=WHERE", "one more context: a directory, docker-image://NAME or a URL"),
    many("--allow", "RIGHT", "security.insecure lets RUN --security=insecure, network.host a RUN --network=host"),
    text("--iidfile", "FILE", "write the image's id there"),
    text("--metadata-file", "FILE", "write the result as JSON there"),
    text("--progress", "HOW", "auto, plain, tty, quiet or rawjson"),
    flag("-q --quiet", "print only the image's id"),
    flag("--check", "look for mistakes in the Dockerfile, and build nothing"),
    text("--call", "METHOD", "build or check"),
    flag("--squash", "make the new layers one"),
    flag("-D --debug", "say where in the Dockerfile a warning is"),
    flag("--rm", "accepted: nothing of a build stays behind in any case"),
    flag("--force-rm", "the same"),
    Option("--provenance", "BOOL", "accepted when false: there are no attestations", optional="true"),
    Option("--sbom", "BOOL", "accepted when false", optional="true"),
)
