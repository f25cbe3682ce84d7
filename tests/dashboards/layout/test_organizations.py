"""Which organization a typed text means: by label, by pseudonym, or by the start of one."""

import pytest

from analytics.reports.parameters import FilterError
from consent.models import Organization
from dashboards.layout.organizations import organization_options, pseudonym_meant

pytestmark = pytest.mark.django_db
ACME = "abcdef" + "0" * 26


@pytest.fixture(autouse=True)
def _acme() -> None:
    Organization.objects.create(pseudonym=ACME, label="Acme")


@pytest.mark.parametrize("text", ["Acme", "ACME", ACME[:6], ACME[:31], ACME])
def test_a_label_or_six_digits_are_enough(text: str) -> None:
    assert pseudonym_meant(text) == ACME


@pytest.mark.parametrize("text", ["", "f" * 32])
def test_nothing_and_a_whole_pseudonym_are_taken_as_they_are(text: str) -> None:
    assert pseudonym_meant(text) == text


@pytest.mark.parametrize("text", [ACME[:5], "Acm", "ABCDEF", ACME + "0", "abcdeg", "000000", "%", "abcdef%"])
def test_any_other_text_names_no_organization(text: str) -> None:
    with pytest.raises(FilterError, match="must be the label or pseudonym"):
        pseudonym_meant(text)


def test_a_beginning_of_two_pseudonyms_is_refused() -> None:
    Organization.objects.create(pseudonym=ACME[:8] + "1" * 24, label="Other")
    with pytest.raises(FilterError, match="fits more than one"):
        pseudonym_meant(ACME[:8])
    assert pseudonym_meant(ACME[:9]) == ACME


def test_options_are_named_by_label_or_by_pseudonym() -> None:
    Organization.objects.create(pseudonym="b" * 32, label="")
    assert organization_options() == [
        ("b" * 32, "org bbbbbb", "b" * 32),
        (ACME, "Acme (abcdef)", "Acme"),
    ]
