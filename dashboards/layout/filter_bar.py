"""The filter bar: the filters of a page's address in words, and the links that change them.

`analytics.reports.filters` has the rules for the parameters. This module has the presets, and the links that
keep the other parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest

from analytics.reports.dimensions import (
    DimensionChoice,
    dimension_choices,
    dimension_names,
    installation_choices,
)
from analytics.reports.filters import ReportFilters
from analytics.reports.parameters import DEPLOYMENTS
from analytics.reports.sealed_days import last_sealed_day
from dashboards.layout.organizations import OrganizationOption, organization_options, pseudonym_meant
from dashboards.layout.scope import installations_in_scope, people_in_scope, scope_of

FEW_ORGANIZATIONS = 50  # up to so many are offered as a list; more are searched by typing
PRESETS = {"7d": "7 days", "30d": "30 days", "90d": "90 days", "12m": "12 months", "custom": "Custom"}
DEPLOYMENT_OPTIONS = [("", "All"), *DEPLOYMENTS.items()]


class Preset(NamedTuple):
    label: str
    address: str
    is_current: bool


class ExportLinks(NamedTuple):
    csv: str
    json: str


@dataclass(frozen=True)
class FilterBar:
    """All that `includes/filters.html` prints."""

    summary: str
    scope: list[str]  # phrases
    presets: list[Preset]
    deployments: Sequence[tuple[str, str]]
    organizations: list[OrganizationOption]
    organizations_are_few: bool
    organization_text: str
    has_people: bool
    dimensions: Sequence[DimensionChoice]
    hidden_fields: list[tuple[str, str]]
    exports: ExportLinks | None


def filters_of(request: HttpRequest, *, today: date) -> ReportFilters:
    """The request's filters; `org` may also be a label or the beginning of a pseudonym.

    Raises `FilterError` with a message for the reader.
    """
    query = request.GET.dict()
    query["org"] = pseudonym_meant(query.get("org", "").strip())
    return ReportFilters.from_query(
        query, today=today, last_sealed=last_sealed_day(), dimensions=dimension_names()
    )


def filter_bar(
    request: HttpRequest,
    filters: ReportFilters,
    *,
    report: str = "",
    has_people: bool = True,
    page_parameters: Sequence[str] = (),
    export_parameters: Mapping[str, str] | None = None,
) -> FilterBar:
    """The bar of a page. `report` names the report that the links export.

    `page_parameters` are parameters of this page alone, which a change of a filter keeps.
    `export_parameters` are added to the links to exports. `has_people` is false for installations,
    which have neither users nor organizations.
    """
    own_query = {name: request.GET[name] for name in page_parameters if request.GET.get(name)}
    options = organization_options() if has_people else []
    chosen = next((option for option in options if option.value == filters.organization), None)
    if has_people:
        who = people_in_scope(filters, chosen.label if chosen else filters.organization[:6])
        dimensions = dimension_choices(filters)
    else:
        who = installations_in_scope(filters)
        dimensions = installation_choices(filters)
    not_offered = filters.asked.keys() - {dimension.name for dimension in dimensions}
    return FilterBar(
        summary=f"{filters.range_label}, {filters.deployment_label.lower()}{filters.dimensions_label}",
        scope=scope_of(filters, who),
        presets=_presets(filters, own_query),
        deployments=DEPLOYMENT_OPTIONS,
        organizations=options,
        organizations_are_few=len(options) <= FEW_ORGANIZATIONS,
        organization_text=chosen.text if chosen else filters.organization,
        has_people=has_people,
        dimensions=dimensions,
        hidden_fields=[
            *filters.query("activity", "definition", "metric", "sort", *not_offered).items(),
            *own_query.items(),
        ],
        exports=_exports(filters, own_query | dict(export_parameters or {}), report) if report else None,
    )


def _presets(filters: ReportFilters, own_query: dict[str, str]) -> list[Preset]:
    others = {name: value for name, value in filters.query().items() if name not in ("range", "from", "to")}
    presets = []
    for key, label in PRESETS.items():
        dates = {"range": key}
        if key == "custom":
            dates |= {"from": filters.first.isoformat(), "to": filters.last.isoformat()}
        presets.append(Preset(label, "?" + urlencode(dates | others | own_query), filters.range == key))
    return presets


def _exports(filters: ReportFilters, extra_query: dict[str, str], report: str) -> ExportLinks:
    def address(format_name: str) -> str:
        return f"/api/reports/{report}?" + urlencode(filters.query() | extra_query | {"format": format_name})

    return ExportLinks(csv=address("csv"), json=address("json"))
