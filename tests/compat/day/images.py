"""Morning: looking around, and images without a registry."""
# ruff: noqa: E501 - a typed command is one line, whatever its length

from __future__ import annotations

from tests.compat.day.step import Day, Outcome, Step


def _save_and_load(day: Day) -> Outcome:
    saved = day.docker("save", "-o", f"{day.folder}/saved.tar", "day:one", "day:two")
    if saved.code:
        return saved
    gone = day.docker("rmi", "day:one", "day:two")
    loaded = day.docker("load", "-i", f"{day.folder}/saved.tar")
    return Outcome(gone.code or loaded.code, loaded.out, gone.err + loaded.err)


def _import_from_stdin(day: Day) -> Outcome:
    exported = day.docker("export", "-o", f"{day.folder}/exported.tar", "exporter")
    if exported.code:
        return exported
    with open(f"{day.folder}/exported.tar", "rb") as tar:
        done = day.endpoint.docker(
            "import", "-c", "ENV A=b", "-c", 'CMD ["env"]', "-", "day:imported", input=tar.read()
        )
    return Outcome(done.returncode, done.stdout, done.stderr)


STEPS = [
    Step("ps with nothing", "ps", out=r"^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n$"),
    Step("ps -aq with nothing", "ps -aq", out=r"^$"),
    Step("version format", "version --format '{{.Server.Os}}/{{.Server.Arch}}'", out="linux/amd64"),
    Step("info counts", "info --format '{{.Containers}} {{.ContainersRunning}} {{.OSType}}'"),
    Step(
        "info json has fields",
        "info --format '{{json .Plugins.Log}}'",
        out="json-file",
        compare="c",
        why="fewer drivers",
    ),
    Step("no such command", "flubber", code=1, err="is not a docker command|unknown command"),
    Step("images", "images --format '{{.Repository}}:{{.Tag}}'", out="busybox:latest"),
    Step("images -q", "images -q busybox", out=r"^[0-9a-f]{12}\n$"),
    Step("images --no-trunc", "images --no-trunc -q busybox", out=r"^sha256:[0-9a-f]{64}\n$"),
    Step("images digests", "images --digests --format '{{.Digest}}' busybox", out="<none>"),
    Step("images of a missing one", "images -q nosuch", out=r"^$"),
    Step("tag", "tag busybox day:one"),
    Step("tag again", "tag busybox:latest day:two"),
    Step("tag a missing image", "tag nosuch x:y", code=1, err="No such image: nosuch:latest"),
    Step("tag badly", "tag busybox UPPER:x", code=1, err="repository name .*must be lowercase"),
    Step("tag more badly", "tag busybox 'a b'", code=1, err="not a valid repository/tag"),
    Step("inspect an image", "inspect --format '{{json .Config.Cmd}} {{.Os}}' busybox", out=r'\["sh"\] linux'),
    Step(
        "inspect an image's layers",
        "image inspect --format '{{len .RootFS.Layers}} {{.RootFS.Type}}' busybox",
        out="1 layers",
    ),
    Step("inspect tags", "image inspect --format '{{json .RepoTags}}' day:one", out="day:two"),
    Step("inspect a missing image", "image inspect nosuch", code=1, out=r"^\[\]", err="No such image: nosuch"),
    Step("inspect a missing thing", "inspect nosuch", code=1, out=r"^\[\]", err="No such object: nosuch"),
    Step("history", "history --format '{{.Comment}}' busybox", out="Imported from -"),
    Step("history human", "history busybox", out=r"^IMAGE +CREATED +CREATED BY +SIZE +COMMENT"),
    Step("save and load", _save_and_load, out=r"Loaded image: day:one\nLoaded image: day:two"),
    Step(
        "load nonsense", "load", stdin="this is no tar" * 100, code=1, compare="c", why="the tar reader's words differ"
    ),
    Step(
        "save a missing image",
        "save -o {folder}/x.tar nosuch",
        code=1,
        err="No such image: nosuch\n",
    ),
    Step(
        "save a missing tag",
        "save -o {folder}/x.tar nosuch:v1",
        code=1,
        err="reference does not exist",
        compare="co",
        why="ours says which",
    ),
    Step("rmi one tag", "rmi day:two", out="Untagged: day:two"),
    Step("rmi a missing one", "rmi nosuch", code=1, err="No such image: nosuch"),
    Step("rmi force a missing one", "rmi -f nosuch", code=0, compare="co", why="20.10 and 28 clients differ in words"),
    Step("image prune", "image prune -f", out="Total reclaimed space: 0B"),
    Step("create one to export", "create --name exporter busybox true"),
    Step("export and import", _import_from_stdin, out=r"^sha256:[0-9a-f]{64}\n$"),
    Step("run the imported", "run --rm day:imported", out=r"A=b"),
    Step("rm the exported", "rm exporter", out="^exporter\n$"),
    Step("commit setup", "run --name committer busybox sh -c 'echo hello > /greeting; rm /bin/wget; mkdir /d'"),
    Step("diff", "diff committer", out=r"A /greeting", unordered=True),
    Step(
        "commit",
        "commit -m 'a message' -a 'An Author <a@b>' -c 'ENV B=c' -c 'CMD [\"cat\",\"/greeting\"]' -c 'EXPOSE 81' committer day:committed",
        out=r"^sha256:",
    ),
    Step("run the committed", "run --rm day:committed", out="^hello\n$"),
    Step(
        "commit's config",
        "inspect -f '{{json .Config.Env}} {{json .Config.Cmd}} {{.Author}} {{.Comment}} {{json .Config.ExposedPorts}}' day:committed",
    ),
    Step("commit's history", "history --format '{{.CreatedBy}}|{{.Comment}}' day:committed", out="a message"),
    Step("whiteout", "run --rm day:committed ls /bin/wget", code=1, err="No such file"),
    Step("layers", "inspect -f '{{len .RootFS.Layers}}' day:committed", out="^2\n$"),
    Step("commit a missing one", "commit nosuch", code=1, err="No such container: nosuch"),
    Step(
        "rmi what was committed",
        "rmi day:committed",
        out="Untagged: day:committed\nDeleted: sha256:",
        compare="c",
        why="layers count",
    ),
    Step("rm committer", "rm committer"),
    Step("create from the imported", "create --name holder day:imported"),
    Step("rmi in use", "rmi day:imported", code=1, err="conflict: unable to remove repository reference"),
    Step("rmi in use by id", "rmi busybox", code=0, out="^Untagged: busybox:latest\n$"),
    Step("tag back", "tag day:one busybox:latest"),
    Step("rm holder", "rm holder"),
    Step("rmi the rest", "rmi day:imported", out="Untagged: day:imported"),
    Step("images filter", "images --filter reference='day:*' --format '{{.Repository}}:{{.Tag}}'", out="day:one"),
    Step("images filter dangling", "images --filter dangling=true -q", out="^$"),
    Step("images filter unknown", "images --filter nosuch=1", code=1, err="nvalid filter"),
    Step("system df", "system df --format '{{.Type}}'", out=r"Images\nContainers\nLocal Volumes\nBuild Cache"),
    Step("create from a name no registry has", "create 'UPPER'", code=1, err="repository name .*must be lowercase"),
]
