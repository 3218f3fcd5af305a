import pytest

from corral.model.kubernetes import intstr


def test_a_text_is_a_number_where_it_can_be_one_of_32_bits():
    assert intstr.parse("2147483647") == 2147483647
    assert intstr.parse("2147483648") == "2147483648"


def test_shares_are_rounded_as_asked():
    assert [intstr.scaled("30%", 5, round_up=up) for up in (True, False)] == [2, 1]
    assert intstr.scaled("-30%", 5, round_up=True) == -1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5", "invalid value for IntOrString: invalid type: string is not a percentage"),
        (
            "a%",
            'invalid value for IntOrString: invalid value "a%": strconv.Atoi: parsing "a": invalid syntax',
        ),
    ],
)
def test_other_texts_are_refused(value, text):
    with pytest.raises(ValueError, match="invalid") as caught:
        intstr.scaled(value, 1, round_up=True)
    assert str(caught.value) == text
