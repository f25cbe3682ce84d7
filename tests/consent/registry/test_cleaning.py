"""Values at the limits of what is declared, and values in unusual forms."""

import pytest

from consent.gate.rules import Tier
from consent.registry.attributes import Attribute
from consent.registry.cleaning import Dropped, Kept, as_number, as_text, cleaner, printable


def attribute(kind: str, **more: object) -> Attribute:
    return Attribute("a", kind, Tier.BASE, "p", "w", "e", **more)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *((0, Kept(0)), (10, Kept(10)), (-1, Dropped("range")), (11, Dropped("range"))),
        *(("10", Kept(10)), (" 7 ", Kept(7)), ("1e1", Kept(10)), ("7.0", Kept(7)), (7.5, Dropped("type"))),
        *((True, Dropped("type")), ("", Dropped("type")), ("0x7", Dropped("type")), (None, Dropped("type"))),
        *((float("inf"), Dropped("type")), ("1e999", Dropped("type")), ([7], Dropped("type"))),
        *(("٧", Dropped("type")), ("7" * 101, Dropped("type"))),
    ],
)
def test_whole_numbers(number: object, expected: object) -> None:
    answer = cleaner(attribute("integer", minimum=0, maximum=10))(number)
    assert answer == expected
    assert type(getattr(answer, "value", 0)) is int


def test_other_numbers() -> None:
    clean = cleaner(attribute("number", minimum=-0.5, maximum=0.5))
    assert [clean(value) for value in (-0.5, 0.5, "0.25", 0.51, -0.51)] == [
        *(Kept(-0.5), Kept(0.5), Kept(0.25), Dropped("range"), Dropped("range"))
    ]


def test_texts_are_as_long_as_declared_and_match_as_a_whole() -> None:
    clean = cleaner(attribute("text", pattern="[a-z ]+", max_length=5))
    assert [clean(value) for value in ("abcde", "abcdef", " abc ", "abc1", "")] == [
        *(Kept("abcde"), Dropped("length"), Kept("abc"), Dropped("pattern"), Dropped("pattern"))
    ]
    anything = cleaner(attribute("text", pattern=".+"))
    assert anything("x" * 255) == Kept("x" * 255)
    assert anything("x" * 256) == Dropped("length")
    assert anything("jane@example.com") == Dropped("email")
    assert anything("a\x00b") == Kept("a\N{REPLACEMENT CHARACTER}b")


def test_choices() -> None:
    clean = cleaner(attribute("choice", values=("Light", "dark")))
    assert [clean(value) for value in (" LIGHT", "dark", "blue", 7, "x" * 256)] == [
        *(Kept("Light"), Kept("dark"), Kept("other"), Kept("other"), Kept("other"))
    ]
    for nothing in ("", " ", "None", "NULL", "undefined"):
        assert clean(nothing) == Dropped("empty")
    assert clean(True) == clean([]) == Dropped("type")


def test_truth_values() -> None:
    clean = cleaner(attribute("boolean"))
    assert [clean(value) for value in (True, False, " TRUE ", "false", "yes", 1, None)] == [
        *(Kept(True), Kept(False), Kept(True), Kept(False)),
        *[Dropped("type")] * 3,
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(
            ("a", "a"),
            (7, "7"),
            (7.0, "7"),
            (7.5, "7.5"),
            (2.0**53, "9007199254740992.0"),
            (10**20, "1" + "0" * 20),
        ),
        *((True, None), (None, None), (float("nan"), None), ([], None), ({}, None), (b"a", None)),
    ],
)
def test_what_is_a_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


def test_what_is_a_number() -> None:
    assert [as_number(value) for value in ("-.5", "+7", "1.", "1e-3", 2, 2.5)] == [-0.5, 7, 1, 0.001, 2, 2.5]
    assert [as_number(value) for value in (True, "1_000", "nan", "1e", float("-inf"))] == [None] * 5


@pytest.mark.parametrize("character", ["\x00", "\x1f", "\x7f", "\x9f", "\u2028", "\ufeff", "\ud800"])
def test_control_characters_are_replaced(character: str) -> None:
    assert printable(f"a{character}b") == "a\N{REPLACEMENT CHARACTER}b"
    assert printable("Grüße") == "Grüße"
