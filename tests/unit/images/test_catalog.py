"""Finding images by what people write, and what may be removed."""

from __future__ import annotations

import pytest

from corral.errors import Conflict, InvalidInput, NotFound
from corral.images.catalog import Catalog, Name
from corral.images.removal import Removed, plan_removal
from corral.images.save import choose
from corral.model.image import Image

A, B, C = ("sha256:" + "a1" * 32, "sha256:" + "a2" * 32, "sha256:" + "c3" * 32)
LIB = "docker.io/library/"


def catalog(*tags: tuple[str, str], parents: dict[str, str] | None = None) -> Catalog:
    made = Catalog()
    for n, image_id in enumerate((A, B, C)):
        made.add(Image(image_id, n, parent=(parents or {}).get(image_id, "")))
    for tag, image_id in tags:
        made.set_name(LIB + tag, Name(image_id, 5))
    return made


def test_finding() -> None:
    images = catalog(("app:latest", A), ("app:2", B), (f"app@{C}", C))
    for text, image_id in {
        "app": A, "app:2": B, f"app@{C}": C, A: A, A[7:]: A, "a1": A, "sha256:a2": B, "c": C, "docker.io/app": A,
    }.items():  # fmt: skip
        assert images.find(text).id == image_id


def test_names_win_over_ids() -> None:
    assert catalog(("a2:latest", A)).find("a2").id == A


@pytest.mark.parametrize(
    ("text", "message"),
    [("nope", "No such image: nope:latest"), ("x/y:1", "No such image: x/y:1"), ("dead", "No such image: dead:latest"),
     ("sha256:" + "0" * 64, "No such image: sha256:" + "0" * 64), ("0" * 64, "No such image: sha256:" + "0" * 64)],
)  # fmt: skip
def test_not_found(text: str, message: str) -> None:
    with pytest.raises(NotFound) as raised:
        catalog().find(text)
    assert raised.value.message == message


def test_too_short_or_no_reference() -> None:
    with pytest.raises(InvalidInput, match="multiple IDs found with provided prefix: a"):
        catalog().find("a")
    with pytest.raises(InvalidInput, match="invalid reference format"):
        catalog().find("a b")


def test_images_carry_their_names() -> None:
    images = catalog(("b:1", A), ("a:1", A), (f"a@{A}", A))
    assert images.find(A).tags == [LIB + "a:1", LIB + "b:1"]
    assert (images.find(A).digests, images.find(A).tagged_at) == ([f"{LIB}a@{A}"], 5)
    images.set_name(LIB + "a:1", Name(B, 6))
    assert (images.find(A).tags, images.find(B).tags) == ([LIB + "b:1"], [LIB + "a:1"])
    images.set_name(LIB + "a:1", None)
    assert images.find(B).tags == []


# Removal.


def plan(images: Catalog, text: str, *users: tuple[str, bool], force: bool = False, prune: bool = True):  # type: ignore[no-untyped-def]
    found = plan_removal(images, text, force=force, prune=prune, users=lambda id: users if id == A else ())
    return found.untag, found.delete


def test_the_last_name_takes_the_image_along() -> None:
    images = catalog(("app:1", A))
    assert plan(images, "app:1") == ([LIB + "app:1"], [A])
    assert plan(images, "a1") == ([LIB + "app:1"], [A])


def test_one_name_of_several_only_goes() -> None:
    images = catalog(("app:1", A), ("app:2", A))
    assert plan(images, "app:1", ("x" * 64, True)) == ([LIB + "app:1"], [])


def test_the_steps_are_told_in_order() -> None:
    images = catalog(("app:1", A))
    steps = plan_removal(images, "app:1", force=False, prune=True, users=lambda _: ()).steps
    assert steps == [Removed(untagged=LIB + "app:1"), Removed(deleted=A)]


def test_an_id_with_names_in_several_repositories() -> None:
    images = catalog(("app:1", A), ("other:1", A))
    with pytest.raises(Conflict) as raised:
        plan(images, A)
    assert raised.value.message == (
        "conflict: unable to delete a1a1a1a1a1a1 (must be forced) - image is referenced in multiple repositories"
    )
    assert plan(images, A, force=True) == ([LIB + "app:1", LIB + "other:1"], [A])


BY_NAME = (
    'conflict: unable to remove repository reference "app:1" (must force) - '
    "container {} is using its referenced image {}"
)
BY_ID = "conflict: unable to delete {1} ({2} be forced) - image is being used by {3} container {0}"


@pytest.mark.parametrize(
    ("text", "running", "force", "message"),
    [
        ("app:1", False, False, BY_NAME.format("x" * 12, "a1" * 6)),
        ("a1", False, False, BY_ID.format("x" * 12, "a1" * 6, "must", "stopped")),
        ("a1", True, False, BY_ID.format("x" * 12, "a1" * 6, "cannot", "running")),
        ("a1", True, True, BY_ID.format("x" * 12, "a1" * 6, "cannot", "running")),
    ],
)
def test_containers_in_the_way(text: str, running: bool, force: bool, message: str) -> None:
    with pytest.raises(Conflict) as raised:
        plan(catalog(("app:1", A)), text, ("x" * 64, running), force=force)
    assert raised.value.message == message


def test_forced_by_name_an_image_in_use_only_loses_the_name() -> None:
    assert plan(catalog(("app:1", A)), "app:1", ("x" * 64, True), force=True) == ([LIB + "app:1"], [])
    assert plan(catalog(("app:1", A)), "app:1", ("x" * 64, False), force=True) == ([LIB + "app:1"], [A])


def test_children_hold_their_parents() -> None:
    images = catalog(("base:1", A), ("app:1", B), parents={B: A})
    with pytest.raises(Conflict, match=r"\(cannot be forced\) - image has dependent child images"):
        plan(images, A, force=True)
    assert plan(images, "base:1") == ([LIB + "base:1"], [])


def test_nameless_parents_go_along_unless_told_not_to() -> None:
    images = catalog(("app:1", C), parents={C: B, B: A})
    assert plan(images, "app:1") == ([LIB + "app:1"], [C, B, A])
    assert plan(images, "app:1", prune=False) == ([LIB + "app:1"], [C])
    assert plan(images, "app:1", ("x" * 64, False)) == ([LIB + "app:1"], [C, B])
    assert plan(catalog(("app:1", C), ("base:1", B), parents={C: B, B: A}), "app:1") == ([LIB + "app:1"], [C])


def test_digests_go_with_the_last_tag_of_their_repository() -> None:
    images = catalog(("app:1", A), (f"app@{A}", A))
    assert plan(images, "app:1") == ([LIB + "app:1", f"{LIB}app@{A}"], [A])


# What to save.


def test_choosing_what_to_save() -> None:
    images = catalog(("app:1", A), ("app:2", B), ("other:latest", B))
    assert choose(images, ["app"]) == {A: [LIB + "app:1"], B: [LIB + "app:2"]}
    assert choose(images, ["app:1", "app:1", "other"]) == {A: [LIB + "app:1"], B: [LIB + "other:latest"]}
    assert choose(images, [A, "c3"]) == {A: [], C: []}
    with pytest.raises(NotFound, match="No such image: nope:v1: reference does not exist"):
        choose(images, ["app:1", "nope:v1"])
    with pytest.raises(NotFound, match=r"No such image: nope$"):
        choose(images, ["app:1", "nope"])
