"""Noon: containers that live: started, listed and looked at."""
# ruff: noqa: E501 - a typed command is one line, whatever its length

from __future__ import annotations

from tests.compat.day.step import Step

FOREVER = "sh -c 'trap \"exit 0\" TERM; echo started; while :; do sleep 0.05; done'"


STEPS = [
    Step(
        "run -d",
        f"run -d --name web -h webhost --label tier=front --label env -e X=y busybox {FOREVER}",
        out=r"^[0-9a-f]{64}\n$",
    ),
    Step("ps", "ps", out="web"),
    Step(
        "ps format",
        "ps --format '{{.Names}}|{{.Image}}|{{.Command}}|{{.Status}}|{{.Ports}}|{{.Labels}}'",
        compare="c",
        why="order of labels",
    ),
    Step(
        "ps labels", "ps --format '{{.Label \"tier\"}} {{.Networks}} {{.Mounts}} {{.RunningFor}}'", out="front bridge"
    ),
    Step("ps table", "ps --format 'table {{.Names}}\\t{{.State}}'", out="NAMES +STATE"),
    Step("ps --no-trunc", "ps --no-trunc --format '{{.ID}} {{.Command}}'"),
    Step("ps size", "ps -s --format '{{.Size}}'", compare="c", why="sizes of file systems differ"),
    Step("ps last", "ps -l --format '{{.Names}}'", out="^web\n$"),
    Step("ps -n", "ps -n 1 -q", out=r"^[0-9a-f]{12}\n$"),
    *(
        Step(f"ps filter {filter_}", f"ps -a --filter {filter_} --format '{{{{.Names}}}}'", out=out)
        for filter_, out in [
            ("name=we", "^web\n$"),
            ("name=^web$", "^web\n$"),
            ("name=nosuch", "^$"),
            ("label=tier", "^web\n$"),
            ("label=tier=front", "^web\n$"),
            ("label=tier=back", "^$"),
            ("status=running", "^web\n$"),
            ("status=exited", "^$"),
            ("ancestor=busybox", "^web\n$"),
            ("network=bridge", "^web\n$"),
            ("network=none", "^$"),
            ("health=none", "^web\n$"),
            ("volume=nosuch", "^$"),
            ("is-task=false", "^web\n$"),
        ]
    ),
    Step("ps bad filter", "ps --filter nosuch=1", code=1, err="nvalid filter"),
    Step(
        "ps bad status",
        "ps --filter status=nosuch",
        code=1,
        err="nvalid filter",
        compare="co",
        why="28 names the states",
    ),
    Step("ps bad exited", "ps --filter exited=x", code=1, compare="co", why="28 says which filter"),
    Step("ps bad before", "ps --filter before=nosuch", code=1, err="(?i)no such container:? nosuch"),
    Step(
        "inspect state",
        "inspect -f '{{.State.Status}} {{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}}' web",
        out="running true 0 false",
    ),
    Step(
        "inspect config",
        "inspect -f '{{.Config.Hostname}} {{.Config.Image}} {{json .Config.Env}} {{json .Config.Cmd}} {{.Config.Tty}}' web",
    ),
    Step("inspect labels", "inspect -f '{{json .Config.Labels}}' web"),
    Step(
        "inspect host config",
        "inspect -f '{{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.ShmSize}} {{.HostConfig.Privileged}} {{.HostConfig.LogConfig.Type}}' web",
        compare="c",
        why="28's NetworkMode is bridge, 20.10's default",
    ),
    Step(
        "inspect paths",
        "inspect -f '{{.Path}} {{json .Args}} {{.Name}} {{.Driver}} {{.Platform}}' web",
        compare="c",
        why="vfs or overlay2",
    ),
    Step(
        "inspect networks",
        "inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.IPPrefixLen}} {{$v.MacAddress}}{{end}}' web",
        out="bridge",
        compare="c",
        why="subnet sizes differ",
    ),
    Step(
        "inspect masks",
        "inspect -f '{{len .HostConfig.MaskedPaths}} {{len .HostConfig.ReadonlyPaths}}' web",
        compare="c",
        why="28 masks more",
    ),
    Step("inspect size", "inspect -s -f '{{.SizeRw}}' web", compare="c", why="file systems differ"),
    Step("inspect bad template", "inspect -f '{{.Nosuch}}' web", code=1, err="map has no entry|can't evaluate"),
    Step("inspect type", "inspect --type container -f '{{.Name}}' web", out="/web"),
    Step("inspect by prefix", "inspect -f '{{.Name}}' nosuchprefix", code=1, err="No such object"),
]
