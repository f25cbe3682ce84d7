"""An attack on small groups: whoever may ask everything, and subtracts, finds nobody.

A lone person, or a group of up to four, is planted in variations. The attacker has a key of scope `reports`
(or one that is bound to the lone person's organization) and a staff session, and combines what is told by
twos and threes.
"""

import pytest
from django.test import Client

from consent.keys import issue_key
from consent.pseudonyms import pseudonym
from tests.support.attack.asking import (
    Attacker,
    Question,
    all_organizations,
    by_dimensions,
    described,
    filters,
    organization_of_lone,
    ranges,
)
from tests.support.attack.cells import Knowledge, isolated
from tests.support.attack.world import VARIATIONS, plant

pytestmark = pytest.mark.django_db
FEW = ("30d",)  # presets; all four, and 40 ranges, in the proof
SOME = ("deployment type", "action", "account reports", "two apps of 3")  # of every kind; all in the proof
OF_VALUES = ("two apps of 3",)  # in which these are asked for, too
VALUES = [{"app": "web"}, {"app": "desktop"}, {"environment": "staging"}]
NOTHING = {"key": "", "bound key": ""}
# What docs/privacy.md does not promise: how many did not use a feature, and who was there over two ranges.
NOT_PROMISED = ("group of 3", "group of 4")


@pytest.fixture(autouse=True)
def _reports_are_up_to_date() -> None:
    """The roll-ups are built once, when all is planted."""


Asked = list[tuple[list[Question], list[Question]]]  # questions, and the ranges of each


def attack(variation: str, staff: Client, *, whole: bool) -> dict[str, str]:
    """What was isolated with each key, in words; '' when nothing was."""
    world = plant(variation)
    organizations = all_organizations(variation)
    own = pseudonym("organization", "lone-works" if "lone-works" in organizations else organization_of_lone())

    def asked(organizations: tuple[str, ...], *, pairs: bool) -> Asked:
        questions = filters(every=whole, organizations=organizations)
        if whole:
            return [(questions, ranges(40)), (by_dimensions(pairs=pairs), ranges(6, ("30d", "90d")))]
        values = VALUES if variation in OF_VALUES and pairs else []
        return [(questions, ranges(4, FEW)), (values, ranges(0, FEW))]

    def with_own(questions: list[Question]) -> list[Question]:
        return [{**question, "org": own} for question in questions]

    of_own = [(with_own(questions), spans) for questions, spans in asked((), pairs=False)]
    return {
        "key": _isolated(
            Knowledge(world), variation, "", asked(organizations, pairs=True), staff, whole=whole
        ),
        "bound key": _isolated(Knowledge(world), variation, own, of_own, staff, whole=whole),
    }


def _isolated(
    knowledge: Knowledge, variation: str, bound: str, asked: Asked, staff: Client, *, whole: bool
) -> str:
    key, _ = issue_key(name="attacker", scopes=["reports"], organization_pseudonym=bound)
    attacker = Attacker(knowledge, headers={"x-api-key": key}, staff=staff)
    for place, (questions, spans) in enumerate(asked):
        details = not bound and (whole or place == 0)
        attacker.ask_everything(questions, spans, details=details, thorough=whole)
    found = isolated(knowledge)
    name = f"{variation}, {'a bound key' if bound else 'a key'}"
    number = f"{attacker.asked} questions ({attacker.refused} refused)"
    known = f"{knowledge.understood} numbers ({knowledge.not_understood} not understood)"
    print(f"{name}: {number}, {known}, {len(found)} isolated")
    assert bound or knowledge.understood > 300, "the attacker does not understand what is shown"
    return f"{len(found)} isolated:\n{described(found[:20])}" if found else ""


@pytest.mark.parametrize("variation", SOME)
def test_nobody_is_found_by_subtraction(variation: str, staff: Client) -> None:
    assert attack(variation, staff, whole=False) == NOTHING


@pytest.mark.proof
@pytest.mark.parametrize(
    "variation",
    [
        pytest.param(name, marks=pytest.mark.xfail(strict=True)) if name in NOT_PROMISED else name
        for name in VARIATIONS
    ],
)
def test_nobody_is_found_by_all_filters_and_forty_ranges(variation: str, staff: Client) -> None:
    assert attack(variation, staff, whole=True) == NOTHING
