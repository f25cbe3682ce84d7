"""Which changes are material: an example of each rule; and that equal registries do not differ."""

from typing import Any

import pytest

from consent.registry.differences import CollectionTerms, changes
from consent.registry.registry import OURS, load

TEXT = {
    "name": "plan", "kind": "text", "tier": "detailed", "example": "pro",
    "purpose": "Plan", "why": "To know it.", "also": ["tier"],
    "values": [], "pattern": "[a-z]+", "max_length": 20, "minimum": None, "maximum": None,
}  # fmt: skip
CHOICE = TEXT | {"name": "theme", "kind": "choice", "values": ["light", "dark"], "pattern": ""}
NUMBER = TEXT | {"name": "size", "kind": "integer", "pattern": "", "minimum": 0, "maximum": 10}


def collected(*attributes: dict[str, Any], months: int = 12, **more: list[str]) -> CollectionTerms:
    content = {"attributes": list(attributes), "events": [], "endpoints": []} | more
    return CollectionTerms(content, months)


def differences(before: CollectionTerms, after: CollectionTerms) -> list[tuple[str, bool]]:
    return [tuple(change) for change in changes(before, after)]


def test_an_attribute_that_becomes_a_dimension_collects_no_more() -> None:
    before, after = collected(CHOICE), collected(CHOICE | {"dimension": True})
    assert differences(before, after) == [("'theme' is now what reports can be filtered by", False)]
    assert differences(after, before) == [("'theme' is no longer what reports can be filtered by", False)]
    assert differences(before, collected(CHOICE | {"dimension": False})) == []


def test_equal_registries_differ_in_nothing() -> None:
    ours = CollectionTerms(load([OURS]).content(), 12)
    assert changes(ours, ours) == []


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (collected(), collected(TEXT), "'plan' is now collected (Plan)"),
        (
            collected(TEXT),
            collected(TEXT | {"tier": "base"}),
            "'plan' is collected at tier base instead of detailed",
        ),
        (collected(TEXT), collected(TEXT | {"purpose": "Ads"}), "'plan' has another purpose: “Ads”"),
        (collected(TEXT), collected(TEXT | {"why": "To sell."}), "'plan' has another reason: “To sell.”"),
        (collected(TEXT), collected(TEXT | {"pattern": ".*"}), "'plan' has another pattern"),
        (
            collected(TEXT),
            collected(TEXT | {"max_length": 30}),
            "'plan' may have 30 characters instead of 20",
        ),
        (
            collected(TEXT),
            collected(TEXT | {"also": ["tier", "edition"]}),
            "'plan' is also taken from edition",
        ),
        (collected(TEXT), collected(TEXT | {"kind": "boolean"}), "'plan' is of type boolean instead of text"),
        (
            collected(CHOICE),
            collected(CHOICE | {"values": ["light", "dark", "own"]}),
            "'theme' may also be own",
        ),
        (
            collected(CHOICE),
            collected(CHOICE | {"spellings": {"night": "dark", "day": "light"}}),
            "'theme' counts “day” as light, “night” as dark",
        ),
        (collected(NUMBER), collected(NUMBER | {"maximum": 11}), "'size' has the maximum 11 instead of 10"),
        (collected(NUMBER), collected(NUMBER | {"minimum": -1}), "'size' has the minimum -1 instead of 0"),
        (collected(), collected(months=13), "events are kept for 13 months instead of 12"),
    ],
)
def test_more_is_material_and_the_way_back_is_not(
    before: CollectionTerms, after: CollectionTerms, sentence: str
) -> None:
    assert differences(before, after) == [(sentence, True)]
    way_back = differences(after, before)
    assert len(way_back) == 1
    undecidable = any(word in sentence for word in ("purpose", "reason", "pattern", "of type"))
    assert way_back[0][1] == undecidable


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (collected(TEXT), collected(TEXT | {"example": "basic"})),
        (collected(TEXT), collected(TEXT | {"why": "to know  it"})),
        (collected(CHOICE), collected(CHOICE | {"values": ["Dark", "LIGHT"]})),
        (collected(CHOICE), collected(CHOICE | {"spellings": {"unset": ""}})),
        (collected(), collected(events=["paired"])),
        (collected(), collected(endpoints=["/pair/{code}"])),
    ],
)
def test_wording_and_names_are_not_material(before: CollectionTerms, after: CollectionTerms) -> None:
    assert not any(is_material for _, is_material in differences(before, after))


def test_the_material_ones_come_first() -> None:
    kinds = [
        is_material
        for _, is_material in differences(collected(TEXT, CHOICE), collected(CHOICE, NUMBER, months=6))
    ]
    assert kinds == [True, False, False]
