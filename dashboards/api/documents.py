"""Reports as JSON documents, each with the question that it answers and the definitions that apply."""

import dataclasses
from datetime import date
from enum import Enum
from typing import Any

from django.conf import settings

from analytics.report_days import report_zone_name
from analytics.reports.definitions import DEFINITIONS
from analytics.reports.dimensions import dimension_names
from analytics.reports.filters import ReportFilters
from analytics.rollups.dimensions_built import still_counting
from dashboards.api.exports.export import ReportExport, ReportTable

# Fields that only suppression uses; it has emptied them by now.
NOT_SHOWN = {"trend_users", "compared_users", "complete_users", "day_users", "only_few"}


def as_json(export: ReportExport, filters: ReportFilters, table: ReportTable) -> dict[str, Any]:
    """The JSON answer of the report API."""
    names = [column.name for column in export.columns]
    always = (
        "today",
        "suppression",
        *(("sealed",) if filters.sealed_until else ()),
        *(("dimensions",) if filters.dimensions else ()),
    )
    compared = filters.previous_complete if filters.compare else None
    document = {
        "report": export.name,
        "title": export.report.title,
        "time_zone": report_zone_name(),
        "filters": question_of(filters),
        "compared_with": compared and {"from": compared.first, "to": compared.last},
        "today": filters.today,
        "today_is_partial": filters.includes_today,
        "sealed_until": filters.sealed_until,
        "still_counting": [
            {"dimension": name, "days_counted": built, "days": days} for name, built, days in still_counting()
        ],
        "suppress_below": settings.SUPPRESS_BELOW,
        "definitions": {name: DEFINITIONS[name] for name in (*export.report.definitions, *always)},
        "rows": [dict(zip(names, row, strict=True)) for row in table.rows],
        **table.details,
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def question_of(filters: ReportFilters) -> dict[str, Any]:
    """The question in full, as every answer repeats it."""
    return {
        "time_zone": report_zone_name(),
        "range": filters.range,
        "from": filters.first,
        "to": filters.last,
        "deployment": filters.deployment or "all",
        "org": filters.organization or "all",
        "internal": filters.include_internal,
        **{name: filters.query(name).get(name, "all") for name in dimension_names()},
        "activity": filters.activity,
        "definition": filters.definition,
        "metric": filters.metric,
    }


def _plain(value: Any) -> Any:
    """Reports, rows, withheld cells and dates as JSON values."""
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, date):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if field.name != "filters"
        }
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: _plain(content) for name, content in value.items() if name not in NOT_SHOWN}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
