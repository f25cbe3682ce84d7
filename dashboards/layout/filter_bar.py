"""The filter bar: what a page's address asks for, said in words, and the links that change it.

The rules of the parameters themselves are `analytics.reports.filters`; here are labels of
organizations, presets, and the addresses that carry the other parameters along.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from analytics.report_days import report_zone_name
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS, FilterError
from analytics.reports.sealed_days import last_sealed_day
from consent.models import Organization

FEW_ORGANIZATIONS = 50
MANY_ORGANIZATIONS = 1000  # suggestions in the search field; typing finds the others
PRESETS = {"7d": "7 days", "30d": "30 days", "90d": "90 days", "12m": "12 months", "custom": "Custom"}
DEPLOYMENT_OPTIONS = [("", "All"), *DEPLOYMENTS.items()]
PSEUDONYM = re.compile(r"[0-9a-f]{32}")
PSEUDONYM_START = re.compile(r"[0-9a-f]{6,31}")


class Preset(NamedTuple):
    label: str
    address: str
    is_current: bool


class OrganizationOption(NamedTuple):
    value: str  # pseudonym
    label: str
    text: str  # what the search field holds after a choice


class Exports(NamedTuple):
    csv: str
    json: str


@dataclass(frozen=True)
class FilterBar:
    """All that `includes/filters.html` prints."""

    summary: str
    scope: list[str]
    presets: list[Preset]
    deployments: Sequence[tuple[str, str]]
    organizations: list[OrganizationOption]
    organizations_are_few: bool
    organization_text: str
    has_people: bool
    has_compare: bool
    kept: list[tuple[str, str]]
    exports: Exports | None


def filters_of(request: HttpRequest, *, today: date) -> ReportFilters:
    """The request's filters; `org` may also be a label or the beginning of a pseudonym.

    Raises `FilterError` with a message for the reader.
    """
    query = request.GET.dict()
    query["org"] = _organization_meant(query.get("org", "").strip())
    return ReportFilters.from_query(query, today=today, last_sealed=last_sealed_day())


def _organization_meant(text: str) -> str:
    if not text or PSEUDONYM.fullmatch(text):
        return text
    wanted = Q(label__iexact=text)
    if PSEUDONYM_START.fullmatch(text):
        wanted |= Q(pseudonym__startswith=text)
    found = list(Organization.objects.filter(wanted).values_list("pseudonym", flat=True)[:2])
    if not found:
        raise FilterError(
            "org",
            "must be the label or pseudonym of a known organization. An id of your own product is not "
            "searched here: the admin's search turns it into the pseudonym",
        )
    if len(found) > 1:
        raise FilterError("org", "fits more than one organization: choose by the whole pseudonym")
    return found[0]


def filter_bar(
    request: HttpRequest,
    filters: ReportFilters,
    *,
    report: str = "",
    has_people: bool = True,
    has_compare: bool = True,
    kept: Sequence[str] = (),
    only: Mapping[str, str] | None = None,
) -> FilterBar:
    """The bar of a page. `report` names the export, `kept` the parameters that only this page has,
    `only` what an export must be asked for beside them.

    `has_people` is false for installations, which have neither users nor organizations.
    """
    own = {name: request.GET[name] for name in kept if request.GET.get(name)}
    options = _organization_options() if has_people else []
    chosen = next((option for option in options if option.value == filters.organization), None)
    return FilterBar(
        summary=f"{filters.range_label}, {filters.deployment_label.lower()}",
        scope=_scope(
            filters,
            _opted_in(filters, chosen.label if chosen else filters.organization[:6])
            if has_people
            else "installations" + (f", {filters.deployment_label.lower()}" if filters.deployment else ""),
            has_compare=has_compare,
        ),
        presets=_presets(filters, own),
        deployments=DEPLOYMENT_OPTIONS,
        organizations=options,
        organizations_are_few=len(options) <= FEW_ORGANIZATIONS,
        organization_text=chosen.text if chosen else filters.organization,
        has_people=has_people,
        has_compare=has_compare,
        kept=[*filters.query("activity", "definition", "metric", "sort").items(), *own.items()],
        exports=_exports(filters, own | dict(only or {}), report) if report else None,
    )


def _organization_options() -> list[OrganizationOption]:
    rows = Organization.objects.order_by("label", "pseudonym").values_list("pseudonym", "label")
    return [
        OrganizationOption(
            value=pseudonym,
            label=f"{label} ({pseudonym[:6]})" if label else f"org {pseudonym[:6]}",
            text=label or pseudonym,
        )
        for pseudonym, label in rows[:MANY_ORGANIZATIONS]
    ]


def _presets(filters: ReportFilters, own: dict[str, str]) -> list[Preset]:
    others = {name: value for name, value in filters.query().items() if name not in ("range", "from", "to")}
    presets = []
    for key, label in PRESETS.items():
        asked = {"range": key}
        if key == "custom":
            asked |= {"from": filters.first.isoformat(), "to": filters.last.isoformat()}
        presets.append(Preset(label, "?" + urlencode(asked | others | own), filters.range == key))
    return presets


def _exports(filters: ReportFilters, own: dict[str, str], report: str) -> Exports:
    def address(format_name: str) -> str:
        return f"/api/reports/{report}?" + urlencode(filters.query() | own | {"format": format_name})

    return Exports(csv=address("csv"), json=address("json"))


def _scope(filters: ReportFilters, who: str, *, has_compare: bool) -> list[str]:
    scope = [f"{filters.dates_label} ({report_zone_name()})"]
    if has_compare and filters.compare:
        earlier = filters.previous
        scope.append(f"compared with {_short_dates(earlier.first, earlier.last)}, same weekdays")
    if filters.sealed_label:
        scope.append(filters.sealed_label)
    scope.append(who)
    scope.append(f"counts under {settings.SUPPRESS_BELOW} hidden")
    scope.append(f"as of {timezone.now():%H:%M} UTC")
    return scope


def _opted_in(filters: ReportFilters, organization: str) -> str:
    """Opted-in users, cloud, Aldermoor Freight (1f0c3a), internal usage excluded"""
    who = "opted-in users"
    if filters.deployment:
        who += f", {filters.deployment_label.lower()}"
    if organization:
        who += f", {organization}"
    if filters.activity == "login":
        who += ", sign-ins only"
    return f"{who}, internal usage {'included' if filters.include_internal else 'excluded'}"


def _short_dates(first: date, last: date) -> str:
    """14 Sep to 13 Oct."""
    return f"{first.day} {first:%b} to {last.day} {last:%b}"
