"""What a node knows of who pulled its images, and what comes along with one that it borrows."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.cluster.kubelet.pulls import MOST_SECRETS, PullRecords, Secret

IMAGE, ID = "host:5000/a:1", "sha256:0"
MINE, YOURS = Secret("shop", "mine", "1", "aa"), Secret("bank", "yours", "2", "bb")


def records(folder: Path, lender: Path | None = None) -> PullRecords:
    return PullRecords(str(folder), str(lender) if lender else "")


def test_what_is_known_of_an_image_comes_with_it(tmp_path: Path) -> None:
    """Else a neighbour's pods could have whatever a secret has pulled next door."""
    lender, own = records(tmp_path / "1"), records(tmp_path / "2", tmp_path / "1")
    own.borrowed(IMAGE, ID)
    assert not own.must_ask(IMAGE, ID, []), "somebody loaded it next door"
    lender.intend(IMAGE)
    own.borrowed(IMAGE, ID)
    assert own.must_ask(IMAGE, ID, [MINE]), "it is being pulled there, and nobody knows by whom"
    lender.succeeded(IMAGE, ID, MINE)
    own.borrowed(IMAGE, ID)
    assert not own.must_ask(IMAGE, ID, [MINE]) and own.must_ask(IMAGE, ID, [YOURS]) and own.must_ask(IMAGE, ID, [])


def test_a_secret_that_is_found_to_be_good_counts_from_then_on(tmp_path: Path) -> None:
    known = records(tmp_path)
    known.succeeded(IMAGE, ID, MINE)
    changed = Secret("shop", "mine", "1", "cc")
    assert not known.must_ask(IMAGE, ID, [changed])  # the same object; it says something else since
    assert not known.must_ask(IMAGE, ID, [Secret("bank", "theirs", "9", "cc")])
    assert known.must_ask(IMAGE, ID, [Secret("bank", "theirs", "8", "aa")])
    for number in range(2 * MOST_SECRETS):
        assert not known.must_ask(IMAGE, ID, [Secret("many", str(number), str(number), "cc")])
    found = known.known(ID)
    assert found is not None and len(found.access["host:5000/a"].secrets) == MOST_SECRETS


def test_without_credentials_it_is_everybodys_for_good(tmp_path: Path) -> None:
    known = records(tmp_path)
    for by in (MINE, None, YOURS):
        known.succeeded(IMAGE, ID, by)
    assert not known.must_ask(IMAGE, ID, []) and known.must_ask("host:5000/b:1", ID, [MINE]), "by that name alone"


def test_a_name_that_somebody_gave_is_anybodys_but_for_what_is_pulled_by_it(tmp_path: Path) -> None:
    known, names = records(tmp_path), [IMAGE, "docker.io/library/built:1"]
    known.succeeded(IMAGE, ID, MINE)
    assert not known.must_ask("built:1", ID, [], names) and known.must_ask(IMAGE, ID, [], names)
    assert known.must_ask("built:1", ID, [], [IMAGE]), "it is not the image's name"
    known.intend("built:1")
    assert known.must_ask("built:1", ID, [], names), "who pulls it by that name is not known yet"
    known.begin(lambda _: ID, [ID])
    assert known.must_ask("built:1", ID, [], names) and not known.must_ask(IMAGE, ID, [MINE], names)


def test_a_record_that_makes_no_sense_is_nobodys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    known = records(tmp_path)
    known.succeeded(IMAGE, ID, None)
    for file in tmp_path.rglob("pulled/*"):
        file.write_bytes(b"{")
    assert known.must_ask(IMAGE, ID, [MINE], [IMAGE])


def test_what_cannot_be_noted_is_not_anybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = records(tmp_path)
    known.intend(IMAGE)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", _full)
        known.succeeded(IMAGE, ID, None)
    assert known.must_ask(IMAGE, ID, [])
    known.begin(lambda name: ID if name == IMAGE else "", [ID])
    assert not known.is_pulling(IMAGE) and known.must_ask(IMAGE, ID, [])
    known.begin(lambda name: "", [])
    assert known.known(ID) is None


def _full(fd: int) -> None:
    raise OSError(28, "No space left on device")
