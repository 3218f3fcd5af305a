"""RUN: what the process sees, and what of it stays in the layer."""

from __future__ import annotations

import asyncio
import os

import pytest

from corral.build.request import BuildRequest
from corral.engine.remap import VIEWS
from corral.errors import Unsupported
from corral.images.digests import chain_ids
from corral.model.container import Ulimit
from tests.support.building import CLEAN, Workshop, add_busybox, directories, opened

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


async def test_layers_have_what_was_written_and_nothing_else(shop: Workshop) -> None:
    text = (
        "FROM busybox\nRUN true\nRUN echo a > /a; mkdir -p /d/e\nRUN rm /a; rmdir /d/e\n"
        "WORKDIR /home/new\nUSER www-data\nWORKDIR own\nRUN touch mine && ls -ld . | cut -d' ' -f5-\n"
    )
    outcome = await shop.build(text)
    assert shop.layers(outcome.image) == [
        [],
        ["a", "d", "d/e"],
        ["a", "d", "d/e"],  # two of them as deletions
        ["home", "home/new"],
        ["home", "home/new", "home/new/own"],
        ["home", "home/new", "home/new/own", "home/new/own/mine"],
    ]
    history = shop.engine.images.get(outcome.image).history
    assert [entry.empty_layer for entry in history] == [False, False, False, False, False, True, False, False]
    assert history[1].created_by == "RUN /bin/sh -c true # buildkit"
    assert "www-data" in outcome.output


MOUNTS = """\
FROM busybox AS other
RUN echo other > /o
FROM busybox
RUN --mount=target=/ctx cat /ctx/d/f && ! touch /ctx/no
RUN --mount=target=/deep/er/ctx,source=d,rw touch /deep/er/ctx/yes && ls /deep/er/ctx
RUN --mount=from=other,target=/m,source=/o cat /m
RUN --mount=type=tmpfs,target=/t,size=64k ! dd if=/dev/zero of=/t/x bs=1k count=128 && mount | grep ' /t '
RUN --mount=type=cache,target=/root/.cache,id=c,uid=7,mode=0700 echo x >> /root/.cache/n; ls -lnd /root/.cache
RUN --mount=type=cache,target=/else,id=c,uid=7,mode=0700 cat /else/n
RUN --mount=type=cache,target=/from,id=f,from=other cat /from/o && echo more > /from/more
RUN <<A cat
script
A
RUN <<EOF
#!/bin/cat
#own
EOF
"""


async def test_mounts_show_what_they_should_and_leave_no_trace(shop: Workshop) -> None:
    where = shop.context({"d/f": "file\n"})
    outcome = await shop.build(MOUNTS, context=where)
    layers = shop.layers(outcome.image)
    assert layers == [[]] * len(layers), layers
    for said in ("file\n", "f\nyes\n", "other\n", "64k", "drwx------    2 7", "x\n", "script\n", "#own\n"):
        assert said in outcome.output, said
    assert os.listdir(f"{where}/d") == ["f"], "what was written is thrown away"
    assert await shop.left() == CLEAN
    assert {one.description for one in await shop.builder.usage() if one.kind == "exec.cachemount"} == {
        "cached mount c",
        "cached mount f",
    }


SECRET = """\
FROM busybox
RUN --mount=type=secret,id=s cat /run/secrets/s; stat -f -c %T /run/secrets/s; ls -ln /run/secrets/s
RUN --mount=type=secret,id=s,target=/etc/s,mode=0444,uid=5 --mount=type=secret,id=s,env=S ls -ln /etc/s; echo env=$S
"""


async def test_secrets_are_seen_and_never_kept(shop: Workshop) -> None:
    outcome = await shop.build(SECRET, secrets={"s": b"tell-nobody\n"})
    assert outcome.output.count("tell-nobody") == 2 and "tmpfs" in outcome.output
    assert "-r--------    1 0        0" in outcome.output and "-r--r--r--    1 5        0" in outcome.output
    assert shop.layers(outcome.image) == [[], []]
    again = await shop.build(SECRET, secrets={"s": b"something-else\n"})
    assert again.image == outcome.image, "a secret's value is not what a step depends on"
    found = [
        path
        for top in (shop.root, shop.run)
        for at, _, names in os.walk(top)
        for name in names
        if os.path.isfile(path := f"{at}/{name}") and b"tell-nobody" in open(path, "rb").read()
    ]
    assert found == []
    missing = await shop.build("FROM busybox\nRUN --mount=type=secret,id=no,required true\n")
    assert missing.error and missing.error.message == "secret no: not found"


async def test_an_agent_s_socket_is_there(shop: Workshop) -> None:
    path = str(shop.run / "agent")
    async with await asyncio.start_unix_server(lambda reader, writer: writer.close(), path):
        text = "FROM busybox\nUSER www-data\nRUN --mount=type=ssh,uid=33 ls -ln $SSH_AUTH_SOCK\n"
        outcome = await shop.build(text, ssh={"default": path})
    assert outcome.output.startswith("srw-------    1 33       0") and "/run/buildkit/ssh_agent.0" in outcome.output
    assert shop.layers(outcome.image) == [[]]


async def test_private_caches_are_one_for_each_and_locked_ones_wait(shop: Workshop) -> None:
    async def both(sharing: str, beside: str) -> str:
        text = "FROM busybox AS {n}\nRUN --mount=type=cache,target=/meet --mount=type=cache,target=/c,id=" + sharing
        text += ",sharing=" + sharing + " mkdir /c/{n} && ls /c && " + beside + " && rm -r /c/{n}\n"
        copy = "FROM busybox\nCOPY --from=a /bin/true /a\nCOPY --from=b /bin/true /b\n"
        return (await shop.build(text.format(n="a") + text.format(n="b") + copy)).output

    meet = "touch /meet/{n} && until [ -e /meet/a ] && [ -e /meet/b ]; do sleep 0.05; done"  # both run
    assert sorted((await both("private", meet)).split()) == ["a", "b"]
    assert sorted((await both("locked", "sleep 0.3")).split()) == ["a", "b"]
    ids = [one.description for one in await shop.builder.usage() if one.kind == "exec.cachemount"]
    assert sorted(ids) == [
        "cached mount /meet", "cached mount locked", "cached mount private", "cached mount private",
    ]  # fmt: skip


async def test_the_request_s_network_limits_and_hosts(shop: Workshop) -> None:
    text = "FROM busybox\nRUN hostname; cat /etc/hosts; ulimit -n; df -k /dev/shm | tail -1; ls /sys/class/net\n"
    outcome = await shop.build(
        text, extra_hosts=["db:10.1.2.3"], ulimits=[Ulimit("nofile", 777, 777)], shm_size=4 << 20, network="none"
    )
    for said in ("buildkitsandbox", "10.1.2.3\tdb", "777", "4096"):
        assert said in outcome.output
    assert "eth0" not in outcome.output
    assert "eth0" in (await shop.build("FROM busybox\nRUN ls /sys/class/net\n")).output
    assert "eth0" not in (await shop.build("FROM busybox\nRUN --network=none ls /sys/class/net\n")).output


async def test_a_process_is_not_told_its_host_s_name(shop: Workshop) -> None:
    text = "FROM busybox\nRUN echo first; env\nENV HOSTNAME=mine\nRUN echo second; env\n"
    first, second = (await shop.build(text)).output.split("second")
    assert "HOSTNAME" not in first and "HOSTNAME=mine\n" in second


async def test_a_process_that_fails_says_where(shop: Workshop) -> None:
    failed = (await shop.build("FROM busybox\nRUN echo no && \\\n  exit 3\nRUN true\n")).error
    assert failed and failed.exit_code == 3 and failed.span and (failed.span.first, failed.span.last) == (2, 3)
    assert failed.message == 'process "/bin/sh -c echo no &&   exit 3" did not complete successfully: exit code: 3'
    assert ">>> RUN echo no" in failed.excerpt
    missing = (await shop.build('FROM busybox\nRUN ["/no/such"]\n')).error
    assert missing and missing.exit_code == 127 and "no such file" in missing.message
    for flag, right in (("security=insecure", "security.insecure"), ("network=host", "network.host")):
        refused = (await shop.build(f"FROM busybox\nRUN --{flag} true\n")).error
        assert refused and refused.message == f"failed to load LLB: {right} is not allowed"
    assert not (await shop.build("FROM busybox\nRUN --network=host true\n", allow_host_network=True)).error
    assert not (await shop.build("FROM busybox\nRUN --network=host false || true\n", network="host")).error
    assert await shop.left() == CLEAN


async def test_nobody_sees_the_process_in_lists_and_events(shop: Workshop) -> None:
    heard: list[str] = []

    async def listen() -> None:
        async for event in shop.engine.events.subscribe():
            heard.append(f"{event.type} {event.action}")

    listening = asyncio.create_task(listen())
    request = BuildRequest(dockerfile_text="FROM busybox\nRUN echo up; sleep 1\n", tags=["made"])
    seen = []
    async for _ in shop.builder.build(request):
        seen += shop.engine.containers.list()
    listening.cancel()
    assert seen == [] and not [said for said in heard if said.startswith(("container", "network"))]


async def test_a_here_document_s_name_leads_nowhere(shop: Workshop) -> None:
    outcome = await shop.build("FROM busybox\nRUN <<../../evil\n#!/bin/sh\necho $0; ls /dev/pipes\n../../evil\n")
    assert outcome.output == "/dev/pipes/evil\nevil\n"


async def test_one_process_may_have_a_locked_cache_at_two_places(shop: Workshop) -> None:
    flags = " ".join(f"--mount=type=cache,id=a,sharing=locked,target={place}" for place in ("/x", "/y"))
    assert (await shop.build(f"FROM busybox\nRUN {flags} echo same > /x/f; cat /y/f\n")).output == "same\n"


async def test_where_users_are_remapped_layers_have_the_users_from_inside() -> None:
    with directories() as (root, run):
        for place in (root, run):
            place.chmod(0o711)
        try:
            async with opened(root, run, userns_remap="default") as shop:
                await add_busybox(shop)
                (root / "build/contexts").mkdir(exist_ok=True)
                where = shop.context({"d/f": "file\n"}, root / "build/contexts")
                more = "RUN touch /mine; chown 7:8 /mine; cat /proc/self/uid_map\n"
                outcome = await shop.build(MOUNTS + more, context=where)
                assert "file\n" in outcome.output and "         0          0" not in outcome.output
                layers = shop.engine.images.layers
                (top,) = layers.dirs(layers_top(shop, outcome.image))[:1]
                assert (os.stat(f"{top}/mine").st_uid, os.stat(f"{top}/mine").st_gid) == (7, 8)
                assert await shop.left() == CLEAN | {"mounts": sorted(str(run / "mapped" / n) for n in VIEWS)}
        except Unsupported as error:
            pytest.skip(error.message)


def layers_top(shop: Workshop, image: str) -> str:
    return chain_ids(shop.engine.images.get(image).diff_ids)[-1]


async def test_an_image_is_named_by_its_id_too(shop: Workshop) -> None:
    digits = shop.engine.images.get("busybox").id.removeprefix("sha256:")
    for name in (f"sha256:{digits}", digits, digits[:12], f"sha256:{digits[:12]}"):
        assert (await shop.build(f"FROM {name}\nCOPY --from={name} /bin/busybox /again\n")).error is None, name
    gone = await shop.build(f"FROM sha256:{'0' * 64}\n")
    assert "No such image" in str(gone.error)


async def test_a_mount_s_source_has_no_wildcards(shop: Workshop) -> None:
    files = {"[x]": "1", "x": "other"}
    text = "FROM busybox\nRUN --mount=source=[x],target=/f cat /f\n"
    assert (await shop.build(text, context=shop.context(files))).output == "1"
    again = await shop.build(text, context=shop.context({**files, "x": "changed"}))
    assert list(again.cached().values())[-1], "another file has changed"
    assert (await shop.build(text, context=shop.context({**files, "[x]": "2"}))).output == "2"
