"""What a visitor gave comes back as a number, or as one sentence that quotes it and says what is allowed."""

from __future__ import annotations

import pytest

from core.checks import UserError, choice, number, shown, whole

NAMES = ("cat", "dog", "frog")
MANY = (*(f"kind of bird {i}" for i in range(500)), "cheetah", "lion", "tiger cat", "<script>")


@pytest.mark.parametrize("value, expected", [(0, 0.0), (32, 32.0), (7.5, 7.5), (True + 1, 2.0)])
def test_a_number_in_range_is_a_float(value, expected):
    result = number("epsilon", value, 0, 32)
    assert result == expected and type(result) is float


INFINITY = float("inf")


@pytest.mark.parametrize(
    "value, quoted",
    [(float("nan"), "nan"), (-1, "-1"), (1e9, "1000000000"), (1e300, "1e+300"), (32.001, "32.001"), (INFINITY, "inf"), (-INFINITY, "-inf")],
)
def test_a_number_out_of_range_is_quoted_with_the_range(value, quoted):
    with pytest.raises(UserError) as caught:
        number("epsilon", value, 0, 32)
    assert str(caught.value) == f"epsilon was {quoted}; give a number from 0 to 32."


def test_a_whole_number_of_400_digits_is_out_of_range_too():
    """JSON carries it, and it does not fit into a float."""
    for check in (number, whole):
        with pytest.raises(UserError, match="give a number from 0 to 32"):
            check("epsilon", 10**400, 0, 32)
        with pytest.raises(UserError, match="give a number from 0 to 32"):
            check("epsilon", -(10**400), 0, 32)


@pytest.mark.parametrize("value", ["8", "eight", None, True, [8], {"eps": 8}, 8j])
def test_what_is_no_number_is_quoted(value):
    for check in (number, whole):
        with pytest.raises(UserError, match="which is not a number; give a number from 0 to 32") as caught:
            check("epsilon", value, 0, 32)
        assert str(value) in str(caught.value)


@pytest.mark.parametrize("value", [3, 3.0])
def test_a_whole_number_is_an_int(value):
    result = whole("steps", value, 1, 40)
    assert result == 3 and type(result) is int


@pytest.mark.parametrize("value", [0.999, 3.5, 41, float("nan"), float("inf")])
def test_what_is_not_whole_or_out_of_range_is_refused(value):
    with pytest.raises(UserError, match=r"steps was .*; give a (whole )?number from 1 to 40"):
        whole("steps", value, 1, 40)


def test_a_number_keeps_its_last_digits_in_the_sentence():
    """Else the sentence contradicts itself: "32 is not allowed, give up to 32"."""
    with pytest.raises(UserError, match=r"epsilon was 32\.0000001; "):
        number("epsilon", 32.0000001, 0, 32)
    with pytest.raises(UserError, match=r"seed was -1; give a number from 0 to 2147483647"):
        number("seed", -1, 0, 2147483647)


def test_a_known_name_is_itself():
    assert choice("class", "dog", NAMES) == "dog"
    assert choice("class", "dog", iter(NAMES)) == "dog"


@pytest.mark.parametrize("value", ["Dog", "", "dog ", None, 1, ["dog"], {"dog": 1}])
def test_an_unknown_name_of_few_lists_them(value):
    with pytest.raises(UserError) as caught:
        choice("class", value, NAMES)
    assert str(caught.value).startswith("There is no class ")
    assert str(caught.value).endswith("choose one of: cat, dog, frog.")


def test_an_unknown_name_of_many_gets_the_nearest():
    with pytest.raises(UserError, match=r"There is no class 'chetah' among the 504; did you mean cheetah\?"):
        choice("class", "chetah", MANY)
    with pytest.raises(UserError, match=r"did you mean .*lion.*\?"):
        choice("class", "LION", MANY)
    with pytest.raises(UserError, match="among the 504; choose one from the list"):
        choice("class", "0" * 9, MANY)


def test_the_nearest_is_found_whatever_its_case():
    with pytest.raises(UserError, match=r"did you mean Egyptian cat"):
        choice("class", "egyptian cat", (*MANY, "Egyptian cat"))


def test_a_long_value_is_shortened_and_costs_no_time():
    assert shown("x" * 61) == "x" * 57 + "..." and shown("x" * 60) == "x" * 60
    for value in ("x" * 1_000_000, ["y" * 1_000_000]):
        with pytest.raises(UserError) as caught:
            choice("class", value, MANY)
        assert len(str(caught.value)) < 250


def test_a_user_error_is_a_value_error_with_its_sentence():
    assert issubclass(UserError, ValueError) and str(UserError("a <b> c")) == "a <b> c"
