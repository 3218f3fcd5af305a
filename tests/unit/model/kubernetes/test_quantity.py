import pytest

from corral.model.kubernetes import quantity
from corral.model.kubernetes.quantity import NoQuantity, parse


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "0"), ("00m", "0"), ("0Ki", "0"), ("0.0", "0"), ("1", "1"), ("100m", "100m"), ("1000m", "1"),
        ("0.1", "100m"), ("1.5", "1500m"), ("0.001", "1m"), ("1Ki", "1Ki"), ("1024", "1024"), ("1024Ki", "1Mi"),
        ("1000Ki", "1000Ki"), ("0.5Ki", "512"), ("1.5Mi", "1536Ki"), ("0.1Ki", "102400m"),
        ("8Ei", "9223372036854775807"),
        ("-8Ei", "-9223372036854775807"), ("7Ei", "7Ei"), ("1e6", "1e6"), ("1E6", "1E6"), ("10e5", "1e6"),
        ("1e7", "10e6"), ("1e-3", "1e-3"), ("1e-12", "1e-9"), ("0.1n", "1n"), ("-0.1n", "-1n"), ("1.1n", "2n"),
        ("100000", "100k"), ("1000000000000000000000", "1000E"), ("12345678901234567890", "12345678901234567890"),
        ("+5", "+5"), ("05", "05"), ("1M", "1M"), ("1000k", "1M"), ("0.0001Ki", "102400u"), ("1E", "1E"),
        (".5", "500m"),
        ("5.", "5."), ("1u", "1u"), ("1.0", "1"),
    ],
)  # fmt: skip
def test_canonical_form(text, shown):
    assert str(parse(text)) == shown
    assert parse(shown) == parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", quantity.FORMAT),
        ("1.1.1", quantity.FORMAT),
        ("1 Gi", quantity.FORMAT),
        ("1Gb", quantity.FORMAT),
        ("one", quantity.FORMAT),
        ("1-", quantity.SUFFIX),
        ("1gi", quantity.FORMAT),
        ("1KI", quantity.FORMAT),
        ("1ki", quantity.SUFFIX),
        ("1mm", quantity.SUFFIX),
        ("1e", quantity.SUFFIX),
        ("1e999999999", quantity.SUFFIX),
        ("9" * 5000, quantity.NUMERIC),
        ("1\n", quantity.FORMAT),
        ("0" * 5000, quantity.NUMERIC),
    ],
)
def test_other_texts_are_refused(text, says):
    with pytest.raises(NoQuantity) as caught:
        parse(text)
    assert caught.value.message == says


@pytest.mark.parametrize("value", [True, [], {}, float("inf"), float("nan")])
def test_other_values_are_refused(value):
    assert not quantity.is_quantity(value)


def test_numbers_that_take_too_long_to_write_are_refused():
    assert not quantity.is_quantity(10**5000)


def test_arithmetic_is_exact_and_keeps_the_first_form():
    assert str(parse("0.1") + parse("0.2")) == "300m"
    assert str(parse("1Gi") - parse("1Gi")) == "0"
    assert str(parse("0") + parse("1Gi")) == "1Gi"
    assert str(parse("1Gi") + parse("500m")) == "1073741824500m"
    assert str(-parse("1Ki")) == "-1Ki"
    assert parse("999m") < parse("1") <= parse("1000m")
    assert max(parse("1G"), parse("1Gi")) == parse("1Gi")
    assert not parse("0m") and parse("1n")


def test_whole_numbers_are_rounded_away_from_zero():
    assert (parse("1500m").ceil(), parse("-1500m").ceil(), parse("1n").milli(), parse("2").milli()) == (2, -2, 1, 2000)
    assert str(quantity.of(2048, quantity.BINARY)) == "2Ki"


def test_equal_quantities_are_one_key():
    assert len({parse("1"), parse("1000m")}) == 1
