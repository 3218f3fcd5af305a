"""Images that one pod's secret has pulled, and who else may use them where they lie."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client.protocol import Collection
from corral.cluster.kubelet.pulls import FOLDER
from tests.support.fake_registry import FakeRegistry
from tests.support.images import busybox_rootfs
from tests.support.kubelet import Node, container, waiting

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

SECRETS = Collection("", "v1", "secrets")
PRESENT = "already present on machine and can be accessed by the pod"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(users={"me": "pw", "you": "also"}, auth="basic") as made:
        made.add_image("private", "1", [busybox_rootfs()])
        yield made


async def secret(node: Node, registry: FakeRegistry, name: str, user: str = "me", password: str = "pw") -> None:
    config = {"auths": {registry.host: {"username": user, "password": password}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}
    made = {"metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson", "data": data}
    await node.client.create(SECRETS, made, "default")


async def create(node: Node, registry: FakeRegistry, name: str, *secrets: str, policy: str = "IfNotPresent") -> None:
    spec: dict[str, Any] = {"imagePullSecrets": [{"name": one} for one in secrets]} if secrets else {}
    await node.create(name, container(image=f"{registry.host}/private:1", imagePullPolicy=policy), **spec)


async def refused(node: Node, name: str, *reasons: str) -> None:
    await node.until(name, lambda pod: waiting(pod) in reasons)


PULL = ("ErrImagePull", "ImagePullBackOff")


async def test_who_has_not_the_secret_may_not_use_what_another_pulled(node: Node, registry: FakeRegistry) -> None:
    await secret(node, registry, "mine")
    await secret(node, registry, "same")
    await secret(node, registry, "yours", "you", "also")
    await secret(node, registry, "wrong", "you", "no")
    await create(node, registry, "first", "mine")
    await node.running("first")
    for name, more in (("nobody", ()), ("wrong", ("wrong",))):
        await create(node, registry, name, *more)
        await refused(node, name, *PULL)
    await create(node, registry, "never", policy="Never")
    await refused(node, "never", "ErrImageNeverPull")
    await node.restart_kubelet()
    asked = len(registry.seen)
    for name, given in (("again", "mine"), ("alike", "same")):
        await create(node, registry, name, given)
        await node.running(name)
        assert any(PRESENT in text for _, text in await node.events(name))
    await create(node, registry, "later")
    await refused(node, "later", *PULL)
    me = f"Basic {base64.b64encode(b'me:pw').decode()}"
    assert me not in [one[2].get("Authorization") for one in registry.seen[asked:]], "nobody had to be asked"
    await create(node, registry, "other", "yours")  # the registry says that this one may, too
    await node.running("other")
    assert any("Successfully pulled image" in text for _, text in await node.events("other"))


async def test_what_somebody_pulled_or_built_is_anybodys(node: Node, registry: FakeRegistry) -> None:
    from corral.model.transfer import Credentials

    who = Credentials("me", "pw", server=registry.host)
    async for _ in node.engine.transfers.pull(f"{registry.host}/private:1", "", credentials=who):
        pass
    await create(node, registry, "any")
    await node.running("any")
    assert any(PRESENT in text for _, text in await node.events("any"))


async def test_a_name_that_somebody_gave_is_anybodys(node: Node, registry: FakeRegistry) -> None:
    """Who builds an image, and lets pods pull it from a private registry, goes on using what was built."""
    await secret(node, registry, "mine")
    await create(node, registry, "first", "mine")
    await node.running("first")
    image = node.engine.images.get(f"{registry.host}/private:1")
    await node.engine.images.tag(image.id, "built:1")
    await node.create("own", container(image="built:1", imagePullPolicy="IfNotPresent"))
    await node.running("own")
    assert any(PRESENT in text for _, text in await node.events("own"))
    await create(node, registry, "still")
    await refused(node, "still", *PULL)
    await node.create("by-id", container(image=image.id, imagePullPolicy="Never"))
    await refused(node, "by-id", "ErrImageNeverPull")


async def test_what_was_pulled_without_credentials_is_everybodys(node: Node, registry: FakeRegistry) -> None:
    users, registry.users, registry.auth = registry.users, {}, ""
    await create(node, registry, "first")
    await node.running("first")
    registry.users, registry.auth = users, "basic"
    await create(node, registry, "second")
    await node.running("second")


async def test_a_pull_whose_end_was_not_noted_is_nobodys(node: Node, registry: FakeRegistry) -> None:
    """As after a crash in between: the image is there, and who paid for it is not known."""
    await secret(node, registry, "mine")
    await create(node, registry, "first", "mine")
    await node.running("first")
    pulled = Path(node.base, "kubelet", FOLDER, "pulled")
    await node.stop_kubelet()
    for file in pulled.iterdir():
        file.unlink()
    await node.kubelet.shared.puller._records.intend(f"{registry.host}/private:1")
    await node.start_kubelet()
    assert not list((pulled.parent / "pulling").iterdir()) and len(list(pulled.iterdir())) == 1
    await create(node, registry, "second")
    await refused(node, "second", *PULL)
    await node.delete("first")
    await node.delete("second")
    await node.engine.images.remove(f"{registry.host}/private:1", force=True, used_by=lambda _: [])
    await node.restart_kubelet()
    assert not list(pulled.iterdir()), "what is gone is forgotten"
