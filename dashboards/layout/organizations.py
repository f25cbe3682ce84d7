"""Choosing an organization in the filter bar: by label, by pseudonym, or by the start of a pseudonym."""

import re
from typing import NamedTuple

from django.db.models import Q

from analytics.reports.parameters import FilterError
from consent.models import Organization

OFFERED = 1000  # at most; the others are found by their whole label or the start of their pseudonym
PSEUDONYM = re.compile(r"[0-9a-f]{32}")
PSEUDONYM_START = re.compile(r"[0-9a-f]{6,31}")


class OrganizationOption(NamedTuple):
    value: str  # pseudonym
    label: str
    text: str  # what the search field shows once this option is chosen


def organization_options() -> list[OrganizationOption]:
    """The organizations to choose from: those without a label first, then by label."""
    rows = Organization.objects.order_by("label", "pseudonym").values_list("pseudonym", "label")
    return [
        OrganizationOption(
            value=pseudonym,
            label=f"{label} ({pseudonym[:6]})" if label else f"org {pseudonym[:6]}",
            text=label or pseudonym,
        )
        for pseudonym, label in rows[:OFFERED]
    ]


def pseudonym_meant(text: str) -> str:
    """The pseudonym of the one organization that the text names. Raises `FilterError`.

    A whole pseudonym is returned as it is, known or not, and an empty text too.
    """
    if not text or PSEUDONYM.fullmatch(text):
        return text
    condition = Q(label__iexact=text)
    if PSEUDONYM_START.fullmatch(text):
        condition |= Q(pseudonym__startswith=text)
    pseudonyms = list(Organization.objects.filter(condition).values_list("pseudonym", flat=True)[:2])
    if not pseudonyms:
        raise FilterError(
            "org",
            "must be the label or pseudonym of a known organization. An id of your own product is not "
            "searched for here: the search in the admin turns it into the pseudonym",
        )
    if len(pseudonyms) > 1:
        raise FilterError("org", "fits more than one organization: enter the whole pseudonym")
    return pseudonyms[0]
