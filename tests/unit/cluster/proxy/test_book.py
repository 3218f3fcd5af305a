from __future__ import annotations

import pytest

from corral.cluster.proxy import marks
from corral.cluster.proxy.book import Book
from corral.cluster.proxy.services import Front, Target
from corral.cluster.proxy.settings import ProxySettings


def front(*numbers: int, **more: object) -> Front:
    targets = tuple(Target(f"10.1.{n // 250}.{n % 250 + 1}", 8080) for n in numbers)
    return Front("10.96.0.7", 4, 6, 80, targets, own=True, **more)  # type: ignore[arg-type]


@pytest.fixture
def book() -> Book:
    made = Book(ProxySettings("t"))
    made.whole()
    return made


def test_one_endpoint_more_among_thousands_is_two_entries(book: Book) -> None:
    book.put_service("a/b", [front(*range(5000))], [])
    book.take()
    book.put_service("a/b", [front(*range(5001))], [])
    step = book.take()
    assert step is not None
    assert len(step.change.gone) == 1 and len(step.change.come) == 2  # the head is new, and the last endpoint
    book.put_service("a/b", [front(*range(1, 5001))], [])
    step = book.take()
    assert step is not None
    assert len(step.change.gone) == 3 and len(step.change.come) == 2  # the last has taken the place of the first


def test_nothing_new_is_no_transaction(book: Book) -> None:
    book.put_service("a/b", [front(1)], ["10.1.0.2"])
    assert book.take() is not None
    book.put_service("a/b", [front(1)], ["10.1.0.2"])
    assert book.take() is None


def test_a_choice_is_made_once_for_each_number(book: Book) -> None:
    book.put_service("a/b", [front(1, 2)], [])
    first = book.take()
    book.put_service("a/c", [Front("10.96.0.8", 4, 6, 80, (Target("10.1.0.9", 1), Target("10.1.0.8", 1)))], [])
    second = book.take()
    assert first and "add chain inet t pick4_2" in first.text
    assert second and "add chain" not in second.text
    assert "add chain inet t pick4_2" in book.whole().text


def test_who_is_led_to(book: Book) -> None:
    book.put_service("a/b", [front(1, 2)], [])
    assert not book.leads_to("10.1.0.2")  # not before it is taken
    book.take()
    assert book.leads_to("10.1.0.2") and book.leads_to("10.1.0.3")
    book.put_service("a/b", [front(2)], [])
    book.take()
    assert not book.leads_to("10.1.0.2") and book.leads_to("10.1.0.3")
    book.put_service("a/b", [], [])
    book.take()
    assert not book.leads_to("10.1.0.3")


def test_the_last_one_of_a_service_is_not_waited_for(book: Book) -> None:
    """It is led to although it is terminating: no other rule will come."""
    one = "10.1.0.2"
    book.put_service("a/b", [front(1)], [])
    book.put_service("a/c", [Front("10.96.0.8", 4, 6, 80, (Target(one, 8080),))], [])
    book.take()
    book.put_service("a/b", [front(1)], [], leaving=[one])
    assert book.leads_to(one)  # not before it is taken
    assert book.take() is None
    assert book.leads_to(one)  # the other one does not know yet
    book.put_service("a/c", [Front("10.96.0.8", 4, 6, 80, (Target(one, 8080),))], [], leaving=[one])
    book.take()
    assert not book.leads_to(one)
    book.put_service("a/b", [front(1)], [])
    book.take()
    assert book.leads_to(one)


def test_time_limits_have_numbers_as_long_as_there_are_any(book: Book) -> None:
    for seconds in range(1, marks.MOST_LIMITS + 20):
        address = f"10.97.{seconds // 250}.{seconds % 250}"
        book.put_service(f"a/{seconds}", [Front(address, 4, 6, 80, (), affinity=seconds)], [])
    step = book.take()
    assert step is not None and book.remembers
    assert step.text.count("add chain inet t limit_") == marks.MOST_LIMITS
    assert all(int(v, 16) & marks.MAGIC == marks.OURS for (name, _), v in step.change.come.items() if name == "heads4")


def test_two_services_at_one_address_and_what_stays_of_them(book: Book) -> None:
    book.put_service("a/b", [front(1)], [])
    book.put_service("a/c", [front(2)], [])
    book.take()
    assert book.leads_to("10.1.0.2") and not book.leads_to("10.1.0.3")
    book.put_service("a/b", [], [])
    book.take()
    assert book.leads_to("10.1.0.3")
