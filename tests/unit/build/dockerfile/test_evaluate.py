"""What each instruction makes of a stage."""

from __future__ import annotations

from typing import Any

import pytest

from corral.build.dockerfile import Base, Build, StageSteps, evaluate_plan, parse, plan_stages
from corral.build.ops import CopyOp, InlineFile, RunMount, RunOp, Step, WorkdirOp
from corral.build.request import BuildFailed, BuildRequest
from corral.model.container import HealthCheck
from corral.model.image import ImageConfig

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def build(text: str, base: ImageConfig | None = None, **request: Any) -> Build:
    plan = plan_stages(parse(text), BuildRequest(**request), "linux/amd64")
    return evaluate_plan(plan, dict.fromkeys(plan.images, Base(base or ImageConfig())))


def last(text: str, base: ImageConfig | None = None, **request: Any) -> StageSteps:
    return list(build(text, base, **request).stages.values())[-1]


def step(text: str, **request: Any) -> Step:
    return last(f"FROM a\n{text}", **request).steps[-1]


def refusal(text: str) -> str:
    with pytest.raises(BuildFailed) as caught:
        step(text)
    assert caught.value.span
    return caught.value.message


def run(text: str, **request: Any) -> RunOp:
    op = step(text, **request).op
    assert isinstance(op, RunOp)
    return op


def copy(text: str) -> CopyOp:
    op = step(text).op
    assert isinstance(op, CopyOp)
    return op


@pytest.mark.parametrize(
    ("text", "history"),
    [
        ("ENV a=1 b='x y'", "ENV a=1 b=x y"),
        ("ENV a x  y", "ENV a=x  y"),
        ("LABEL a=1 b=2", "LABEL a=1 b=2"),
        ("ARG a b=2 c=$b", "ARG a b=2 c=2"),
        ("USER app:app", "USER app:app"),
        ("EXPOSE 90/udp 80 443/TCP", "EXPOSE [443/tcp 80/tcp 90/udp]"),
        ("VOLUME /a /b", "VOLUME [/a /b]"),
        ("STOPSIGNAL SIGQUIT", "STOPSIGNAL SIGQUIT"),
        ('SHELL ["/bin/bash", "-c"]', "SHELL [/bin/bash -c]"),
        ("MAINTAINER a b", "MAINTAINER a b"),
        ("ONBUILD RUN x", ""),
        ("CMD echo $x", 'CMD ["/bin/sh" "-c" "echo $x"]'),
        ('CMD ["a", "b"]', 'CMD ["a" "b"]'),
        ("CMD []", "CMD []"),
        ('ENTRYPOINT ["a"]', 'ENTRYPOINT ["a"]'),
        ("WORKDIR x", "WORKDIR /x"),
        ("WORKDIR /", "WORKDIR /"),
        ("HEALTHCHECK NONE", """HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" '\\x00'}"""),
        ("HEALTHCHECK --interval=1m --timeout=2s --start-period=3s --start-interval=4s --retries=4 CMD x",
         """HEALTHCHECK &{["CMD-SHELL" "x"] "1m0s" "2s" "3s" "4s" '\\x04'}"""),
        ("RUN make", "RUN /bin/sh -c make # buildkit"),
        ('RUN ["make", "all"]', "RUN make all # buildkit"),
        ("COPY --chown=1 --chmod=0644 a b ./", "COPY --chown=1 --chmod=0644 a b ./ # buildkit"),
        ("COPY --parents --link a b", "COPY --parents a b # buildkit"),
        ("COPY --from=x a b", "COPY a b # buildkit"),
        ("ADD <<E /e\nx\nE", "ADD <<E /e # buildkit"),
    ],
)  # fmt: skip
def test_history(text: str, history: str) -> None:
    assert step(text).created_by == history


def test_arguments_stand_in_the_history_of_run() -> None:
    steps = last("FROM a\nARG x=1 y z=3\nENV z=4\nRUN make", build_args={"x": "2"}).steps
    assert steps[-1].created_by == "RUN |3 x=2 y= z=4 /bin/sh -c make # buildkit"
    assert isinstance(steps[-1].op, RunOp)
    assert (steps[-1].op.environment, steps[-1].op.arguments) == ([PATH, "x=2", "z=4"], ["x", "z"])


def test_metadata() -> None:
    config = last(
        "FROM a\nENV A=1 B=$A\nENV B=${A}2 A=3\nLABEL l=$A\nUSER u$A\nEXPOSE 80-81\nVOLUME /v$A\nSTOPSIGNAL 9\n"
        'SHELL ["sh"]\nCMD x\nENTRYPOINT ["e"]\nHEALTHCHECK --retries=2 CMD h\nONBUILD RUN o\nWORKDIR w\nWORKDIR v',
        ImageConfig(user="old", labels={"k": "v"}, volumes=["/z"], command=["base"], env=["A=0", "PATH=/p"]),
        labels={"l": "asked", "m": "n"},
    )
    assert config.state.config == ImageConfig(
        user="u3",
        exposed_ports=["80/tcp", "81/tcp"],
        env=["A=3", "PATH=/p", "B=12"],
        entrypoint=["e"],
        command=["sh", "x"],
        volumes=["/v3", "/z"],
        workdir="/w/v",
        labels={"k": "v", "l": "3"},
        stop_signal="9",
        health=HealthCheck(["CMD-SHELL", "h"], retries=2),
        on_build=["RUN o"],
        shell=["sh"],
        args_escaped=True,
    )


def test_labels_that_were_asked_for_come_last() -> None:
    assert build("FROM a\nLABEL l=1", labels={"l": "2", "m": "3"}).config.labels == {"l": "2", "m": "3"}


def test_an_entrypoint_drops_the_command_of_the_base_only() -> None:
    base = ImageConfig(command=["base"], entrypoint=["old"])
    assert last('FROM a\nENTRYPOINT ["e"]', base).state.config.command is None
    assert last('FROM a\nCMD ["c"]\nENTRYPOINT ["e"]', base).state.config.command == ["c"]
    assert last("FROM a\nENTRYPOINT []", base).state.config.entrypoint is None
    assert last('FROM a AS b\nCMD ["c"]\nFROM b\nENTRYPOINT ["e"]', base).state.config.command is None
    assert last("FROM a\nUSER x", base).state.config.command == ["base"]


def test_scratch_has_a_path_and_a_directory() -> None:
    assert last("FROM scratch").state.config == ImageConfig(env=[PATH], workdir="/")


def test_arguments_reach_the_stages_below_and_env_of_the_base_beats_them() -> None:
    found = last("FROM a AS b\nARG x=1 y=2\nENV y=3\nFROM b\nRUN $x", ImageConfig(env=["Q=1"]))
    assert found.steps[0].created_by == "RUN |2 x=1 y=3 /bin/sh -c $x # buildkit"


def test_global_arguments_must_be_asked_for() -> None:
    text = "ARG v=1\nFROM a\nRUN $v\nARG v\nRUN $v\nARG TARGETARCH HTTP_PROXY"
    steps = last(text, build_args={"HTTP_PROXY": "p"}).steps
    assert steps[0].created_by == "RUN /bin/sh -c $v # buildkit"
    assert steps[2].created_by == "RUN |1 v=1 /bin/sh -c $v # buildkit"
    assert steps[3].created_by == "ARG TARGETARCH=amd64 HTTP_PROXY=p"


def test_proxies_are_for_the_process_alone() -> None:
    op = run("RUN x", build_args={"http_proxy": "p"})
    assert (op.proxies, op.environment) == (["HTTP_PROXY=p", "http_proxy=p"], [PATH])
    op = run("ARG http_proxy\nRUN x", build_args={"http_proxy": "p"})
    assert (op.proxies, op.environment) == (["HTTP_PROXY=p"], [PATH, "http_proxy=p"])


def test_numbers_and_names_of_steps() -> None:
    found = last("FROM a AS b\nRUN x\nFROM a\nENV v=1\nRUN echo $v $w\nworkdir $v\ncopy $v /b")
    assert found.number == "stage-1 1/4"
    assert [(s.number, s.text) for s in found.steps] == [
        ("", "ENV v=1"), ("stage-1 2/4", "RUN echo 1 $w"), ("stage-1 3/4", "WORKDIR 1"), ("stage-1 4/4", "COPY 1 /b"),
    ]  # fmt: skip


def test_triggers_of_the_base() -> None:
    base = ImageConfig(on_build=["RUN one", "COPY --from=tools a b"])
    plan = plan_stages(parse("FROM a\nRUN two"), BuildRequest(), "linux/amd64")
    found = evaluate_plan(plan, dict.fromkeys(plan.images, Base(base)))
    stage = found.stages[0]
    assert [(s.number, s.text) for s in stage.steps] == [
        ("2/4", "ONBUILD RUN one"), ("3/4", "ONBUILD COPY --from=tools a b"), ("4/4", "RUN two"),
    ]  # fmt: skip
    assert stage.state.config.on_build == []
    assert found.images == ["image:docker.io/library/a:latest", "image:docker.io/library/tools:latest"]


def test_a_trigger_may_need_a_stage_that_nothing_else_does() -> None:
    base = Base(ImageConfig(on_build=["COPY --from=extra a b"]))
    plan = plan_stages(parse("FROM x AS extra\nFROM a"), BuildRequest(), "linux/amd64")
    assert plan.needed == [1]
    found = evaluate_plan(plan, {"image:docker.io/library/a:latest": base})
    assert found.missing == ["image:docker.io/library/x:latest"]
    found = evaluate_plan(plan, {f"image:docker.io/library/{n}:latest": b for n, b in (("a", base), ("x", Base()))})
    assert list(found.stages) == [0, 1]


def test_broken_triggers() -> None:
    with pytest.raises(BuildFailed, match="onbuild trigger should be a single expression"):
        build("FROM a", ImageConfig(on_build=["RUN a\nRUN b"]))
    with pytest.raises(BuildFailed, match="unknown instruction: NOPE"):
        build("FROM a", ImageConfig(on_build=["NOPE"]))


def test_run() -> None:
    found = last('FROM a\nUSER u\nWORKDIR /w\nSHELL ["bash", "-ec"]\nRUN --network=host --security=insecure a  b')
    op = found.steps[-1].op
    assert op == RunOp(["bash", "-ec", "a  b"], [PATH], user="u", workdir="/w", network="host", insecure=True)


def test_heredocs_of_run() -> None:
    assert run("RUN <<-E\n\ta\n\t\tb\nE").argv == ["/bin/sh", "-c", "a\nb\n"]
    op = run("RUN <<E\n#!/usr/bin/env python3\nx\nE")
    assert (op.argv, op.files) == (
        ["/bin/sh", "-c", "/dev/pipes/E"],
        [InlineFile("E", "#!/usr/bin/env python3\nx\n")],
    )
    assert run("RUN cat <<E >a && cat <<F\n1\nE\n2\nF").argv[-1] == "cat <<E >a && cat <<F\n1\nE\n2\nF"
    assert step("RUN <<E\n\necho 1\necho 2\nE").text == "RUN <<E (echo 1...)"


def test_mounts() -> None:
    op = run(
        "WORKDIR /w\nARG d=c\nRUN --mount=type=cache,target=$d,sharing=locked,uid=7 --mount=target=/ctx,source=s "
        "--mount=type=secret,id=tok --mount=type=secret,id=key,env=KEY --mount=type=ssh "
        "--mount=type=tmpfs,target=/t,size=1k --mount=from=img,target=/i,rw x"
    )
    assert op.mounts == [
        RunMount("cache", "/w/c", id="c", sharing="locked", uid=7),
        RunMount("bind", "/ctx", "s", read_only=True),
        RunMount("secret", "/run/secrets/tok", id="tok", read_only=True),
        RunMount("secret", "", id="key", env="KEY", read_only=True),
        RunMount("ssh", "/run/buildkit/ssh_agent.0", id="default", read_only=True),
        RunMount("tmpfs", "/t", size=1024),
        RunMount("bind", "/i", origin="image:docker.io/library/img:latest"),
    ]
    assert "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0" in op.environment


def test_secrets_show_as_stars() -> None:
    assert step('RUN --mount=type=secret,id=a,env=A echo "$A"').text.endswith('echo "****"')


def test_cache_namespace_and_hostname() -> None:
    arguments = {"BUILDKIT_CACHE_MOUNT_NS": "ns", "BUILDKIT_SANDBOX_HOSTNAME": "h"}
    op = run("RUN --mount=type=cache,target=/c x", build_args=arguments)
    assert (op.mounts[0].id, op.hostname) == ("ns//c", "h")


def test_copy() -> None:
    op = copy('WORKDIR /w\nARG v=1\nCOPY --exclude=$v "a$v" <<../y <<"z" d$v/\n$v "q"\n../y\n$v\nz')
    assert op == CopyOp(["a1"], "/w/d1/", exclude=["$v"], files=[InlineFile("y", '1 "q"\n'), InlineFile("z", "$v\n")])
    assert [copy(f"COPY a {target}").target for target in (".", "/o/..", "/o/../p/")] == ["/", "/", "/p/"]
    assert run("RUN <<../p\n#!/bin/x\n../p").argv[-1] == "/dev/pipes/p"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("COPY <<x/y /\nx/y", "open /x/y: no such file or directory"),
        ("RUN <<x/y\n#!/bin/x\nx/y", "open /x/y: no such file or directory"),
        ("COPY <<.. /\n..", "open /: is a directory"),
        ("COPY a\0b /", '"a\\x00b": invalid argument: a NUL byte is in it'),
        ("COPY <<a\0b /\na\0b", '"a\\x00b": invalid argument'),
        ("WORKDIR /a\0", '"/a\\x00": invalid argument'),
        ("RUN echo a\0b", '"echo a\\x00b": invalid argument'),
        ("RUN --mount=type=tmpfs,target=/a\0 x", '"/a\\x00": invalid argument'),
        ("ENV A=\0\nRUN x", '"A=\\x00": invalid argument'),
    ],
)
def test_what_can_be_no_file_and_no_argument(text: str, words: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        last(f"FROM a\n{text}")
    assert words in caught.value.message


def test_add() -> None:
    op = copy("ADD --checksum=sha256:ab --chmod=u+x https://x/y.tar /z")
    assert op == CopyOp(["https://x/y.tar"], "/z", add=True, checksum="sha256:ab", chmod="u+x")


def test_workdir_makes_the_directory_for_the_user() -> None:
    found = step("USER u\nWORKDIR /x/../y")
    assert (found.op, found.config.workdir) == (WorkdirOp("/y", "u"), "/x/../y"), (
        "what is made is clean, as in BuildKit"
    )
    assert step("WORKDIR /").op is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("STOPSIGNAL FOO", "invalid signal: FOO"),
        ("EXPOSE 70000", "invalid containerPort: 70000"),
        ("EXPOSE 90-80", "invalid containerPort: 90-80"),
        ("EXPOSE x:80", "invalid hostPort: x"),
        ("EXPOSE 999.1.1.1:80:80", "invalid IP address: 999.1.1.1"),
        ("EXPOSE 80/xyz", 'invalid port: "80/xyz": invalid proto: xyz'),
        ("VOLUME $none", "VOLUME specified can not be an empty string"),
        ("COPY --chmod=9 a b", "invalid chmod parameter: '9'. it should be octal string and between 0 and 07777"),
        ("COPY https://x/y z", "source can't be a URL for COPY"),
        ("COPY https://x/y.git z", "source can't be a git ref for COPY"),
        ("ADD --checksum=sha256:0 a b", "checksum requires HTTP(S) or Git sources"),
        ("ADD --checksum=sha256:0 https://a https://b c", "checksum can't be specified for multiple sources"),
        ("RUN --mount=target=/ x", 'invalid mount target "/"'),
        ("RUN --mount=type=ssh,source=a x", "ssh does not support source"),
        ("RUN --mount=type=nope x", 'unsupported mount type "nope"'),
        ('COPY "a b', 'failed to process "\\"a": unexpected end of statement while looking for matching '
         "double-quote"),
    ],
)  # fmt: skip
def test_refusals(text: str, message: str) -> None:
    assert refusal(text) == message


def test_stages_must_stand_before_their_use() -> None:
    message = 'cannot copy from stage "later", it needs to be defined before current stage "stage-0"'
    with pytest.raises(BuildFailed, match=message):
        last("FROM a\nCOPY --from=later x y\nFROM b AS later\nFROM scratch\nCOPY --from=0 x y")
    message = 'cannot mount from stage "later" to "/m", stage needs to be defined before current command'
    with pytest.raises(BuildFailed, match=message):
        last("FROM a\nRUN --mount=from=later,target=/m x\nFROM b AS later\nFROM scratch\nCOPY --from=0 x y")
