"""The reports as tables: what the API and the CSV links hand out, in the same columns.

Every table here is made of a report that has been through suppression.
"""

import csv
import dataclasses
import io
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from enum import Enum
from typing import Any, NamedTuple

from django.conf import settings

from analytics.report_days import report_zone_name
from analytics.reports import suppression
from analytics.reports.active_users import active_users_report
from analytics.reports.cells import Count, Withheld
from analytics.reports.definitions import DEFINITIONS
from analytics.reports.endpoints import endpoints_report
from analytics.reports.features import features_report
from analytics.reports.filters import ReportFilters
from analytics.reports.installations import KindRow, installations_report
from analytics.reports.retention import CohortRow, retention_report
from analytics.reports.retention_counts import TRIANGLE_WEEKS
from analytics.reports.sessions import sessions_report

# A spreadsheet takes a cell that begins like this for a formula (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NOT_SHOWN = {"trend_users", "compared_users", "complete_users"}  # for suppression, which emptied them


class Column(NamedTuple):
    """`kind`: text, date, flag, count (of people or of what they did), measure."""

    name: str
    kind: str
    meaning: str


class Exported(NamedTuple):
    """One report: rows of its columns, and what else it says (JSON only)."""

    rows: list[list[Any]]
    details: dict[str, Any]


class Export(NamedTuple):
    """A report that can be had from outside. `extra` are parameters that choose among its rows."""

    name: str
    title: str
    columns: tuple[Column, ...]
    definitions: tuple[str, ...]
    make: Callable[[ReportFilters, Mapping[str, str]], Exported]
    extra: tuple[str, ...] = ()
    by_organization: bool = True  # false: says nothing of a single organization


def _active_users(filters: ReportFilters, query: Mapping[str, str]) -> Exported:
    report = suppression.suppress_active_users(active_users_report(filters))
    before: list[Count | None] = [day.total for day in report.previous]
    before = before or [None] * len(report.days)
    rows = [
        [day.day, day.total, day.cloud, day.self_hosted, day.unknown, day.complete, earlier]
        for day, earlier in zip(report.days, before, strict=True)
    ]
    named = ("yesterday", "wau", "mau", "average", "stickiness", "period_users")
    headline = {name: getattr(report, name) for name in named}
    sessions = sessions_report(filters)
    details = {"metric": report.metric, "headline": headline, "users_so_far": report.users_so_far}
    return Exported(rows, details | {"sessions": sessions and suppression.suppress_sessions(sessions)})


def _features(filters: ReportFilters, query: Mapping[str, str]) -> Exported:
    report = suppression.suppress_features(features_report(filters))
    wanted = query.get("feature", "")
    chosen = [row for row in report.rows if not wanted or row.feature == wanted]
    rows = [
        [
            row.feature,
            row.users,
            row.share,
            row.uses,
            row.uses_per_user,
            row.repeat_users,
            row.actions,
            row.change,
            row.previous_users,
            row.previous_share,
        ]
        for row in chosen
    ]
    trends = {row.feature: row.trend for row in chosen}
    return Exported(rows, {"active_users": report.active_users, "days": report.days, "trends": trends})


def _endpoints(filters: ReportFilters, query: Mapping[str, str]) -> Exported:
    report = suppression.suppress_endpoints(endpoints_report(filters))
    endpoint, method = query.get("endpoint", ""), query.get("method", "")
    rows = [
        list(row[:12])
        for row in report.rows
        if (not endpoint or row.endpoint == endpoint) and (not method or row.method == method)
    ]
    details = {
        "headline": report.headline,
        "previous": report.previous,
        "total": report.total,
        "days": report.days,
        "previous_days": report.previous_days,
    }
    return Exported(rows, details)


def _retention(filters: ReportFilters, query: Mapping[str, str]) -> Exported:
    report = suppression.suppress_retention(retention_report(filters))
    ledger = report.headline
    headline = ["range", filters.first, filters.last, ledger.new_users, ledger.mature, ledger.retained]
    rows = [[*headline, ledger.rate, ledger.immature == 0, *[None] * TRIANGLE_WEEKS]]
    rows += [_cohort(row) for row in report.cohorts]
    details = {
        "headline": report.headline,
        "previous": report.previous,
        "curve": report.curve,
        "cohorts": report.cohorts,
        "averages": report.averages,
    }
    return Exported(rows, details)


def _cohort(row: CohortRow) -> list[Any]:
    weeks = [cell.users for cell in row.cells]
    last = date.fromordinal(row.week_start.toordinal() + 6)
    return [
        *("week", row.week_start, last, row.users, row.mature, row.retained, row.rate, not row.open),
        *weeks,
        *[None] * (TRIANGLE_WEEKS - len(weeks)),
    ]


def _installations(filters: ReportFilters, query: Mapping[str, str]) -> Exported:
    report = suppression.suppress_installations(installations_report(filters))
    groups: dict[str, list[KindRow]] = {
        "version": report.versions,
        "platform": report.platforms,
        "architecture": report.architectures,
        "release_channel": report.channels,
        "deployment": report.deployments,
    }
    rows = [[group, *row] for group, kinds in groups.items() for row in kinds]
    headline = {name: getattr(report, name) for name in ("active", "new", "gone_quiet", "on_newest", "total")}
    details = {
        "headline": headline | {"newest_version": report.newest_version},
        "versions_of_days": report.shown_versions,
        "days": report.days,
    }
    return Exported(rows, details)


PREVIOUS = "the same in the previous period; empty without compare"

EXPORTS = {
    export.name: export
    for export in (
        Export(
            "daily-active-users",
            "Active users: daily, in 7 days, in 28 days",
            (
                Column("date", "date", "a day of the report time zone"),
                Column("all", "count", "distinct people, by the metric asked for"),
                Column("cloud", "count", "of them seen on cloud deployments"),
                Column("self_hosted", "count", "of them seen on self-hosted deployments"),
                Column("not_reported", "count", "of them seen on deployments of unknown type"),
                Column("complete", "flag", "false for today, which is not over"),
                Column("previous_all", "count", PREVIOUS),
            ),
            ("active_user", "dau", "wau", "mau", "stickiness", "sessions"),
            _active_users,
        ),
        Export(
            "feature-adoption",
            "Feature adoption",
            (
                Column("feature", "text", "name of the feature"),
                Column("users", "count", "distinct people who used it"),
                Column("share", "measure", "of the people active in the same segment and period"),
                Column("uses", "count", "times it was used"),
                Column("uses_per_user", "measure", "uses divided by users"),
                Column("repeat_users", "count", "people who used it on two or more days"),
                Column("actions", "count", "different actions"),
                Column("change", "measure", "relative change of users against the previous period"),
                Column("previous_users", "count", PREVIOUS),
                Column("previous_share", "measure", PREVIOUS),
            ),
            ("feature_adoption", "active_user"),
            _features,
            extra=("feature",),
        ),
        Export(
            "endpoint-performance",
            "Endpoint performance",
            (
                Column("endpoint", "text", "route template"),
                Column("method", "text", "HTTP method"),
                Column("requests", "count", "requests answered"),
                Column("errors", "count", "of them with a status of 500 or above"),
                Column("error_rate", "measure", "errors divided by requests"),
                Column("mean_ms", "measure", "mean duration in milliseconds"),
                Column("p50_ms", "measure", "median duration in milliseconds"),
                Column("p95_ms", "measure", "95th percentile in milliseconds, within 1 %"),
                Column("p99_ms", "measure", "99th percentile in milliseconds, within 1 %"),
                Column("users", "count", "distinct identified people"),
                Column("previous_p95_ms", "measure", PREVIOUS),
                Column("p95_change", "measure", "relative change of p95 against the previous period"),
            ),
            ("endpoint_performance",),
            _endpoints,
            extra=("endpoint", "method"),
        ),
        Export(
            "retention",
            "Retention: the range, and weekly cohorts",
            (
                Column("cohort", "text", "range: everyone of the range; week: a weekly cohort"),
                Column("from", "date", "first day of the cohort"),
                Column("to", "date", "last day of the cohort"),
                Column("users", "count", "people first seen then"),
                Column("mature", "count", "of them those whose seven days are over"),
                Column("retained", "count", "of those the ones who came back"),
                Column("rate", "measure", "retained divided by mature"),
                Column("complete", "flag", "whether everyone's seven days are over"),
                *(
                    Column(f"week_{week}", "count", "people of the cohort active in that week after it")
                    for week in range(TRIANGLE_WEEKS)
                ),
            ),
            ("retention", "retention_login_window", "retention_curve", "cohorts"),
            _retention,
        ),
        Export(
            "installations",
            "Installations by what they report",
            (
                Column("group", "text", "version, platform, architecture, release_channel or deployment"),
                Column("kind", "text", "what is reported; small kinds are folded together"),
                Column("installations", "count", "active on the last complete day"),
                Column("share", "measure", "of the active installations"),
                Column("previous", "count", PREVIOUS),
            ),
            ("installations",),
            _installations,
            by_organization=False,
        ),
    )
}


def asked(filters: ReportFilters) -> dict[str, Any]:
    """The question, spelled out: goes with every answer."""
    return {
        "time_zone": report_zone_name(),
        "range": filters.range,
        "from": filters.first,
        "to": filters.last,
        "deployment": filters.deployment or "all",
        "org": filters.organization or "all",
        "internal": filters.include_internal,
        "activity": filters.activity,
        "definition": filters.definition,
        "metric": filters.metric,
    }


def as_json(export: Export, filters: ReportFilters, exported: Exported) -> dict[str, Any]:
    """The report as the API answers it."""
    names = [column.name for column in export.columns]
    always = ("today", "suppression", *(("sealed",) if filters.sealed_until else ()))
    compared = filters.previous_complete if filters.compare else None
    document = {
        "report": export.name,
        "title": export.title,
        "time_zone": report_zone_name(),
        "filters": asked(filters),
        "compared_with": compared and {"from": compared.first, "to": compared.last},
        "today": filters.today,
        "today_is_partial": filters.includes_today,
        "sealed_until": filters.sealed_until,
        "suppress_below": settings.SUPPRESS_BELOW,
        "definitions": {name: DEFINITIONS[name] for name in (*export.definitions, *always)},
        "rows": [dict(zip(names, row, strict=True)) for row in exported.rows],
        **exported.details,
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def _plain(value: Any) -> Any:
    """Rows, marks and dates as JSON knows them."""
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
        return {name: _plain(one) for name, one in value.items() if name not in NOT_SHOWN}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def as_csv(export: Export, filters: ReportFilters, exported: Exported) -> str:
    """The rows as CSV (RFC 4180), each with the question that it answers."""
    question = asked(filters)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*(column.name for column in export.columns), *(f"asked_{name}" for name in question)])
    for row in exported.rows:
        writer.writerow([_cell(value) for value in [*row, *question.values()]])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def file_name(export: Export, filters: ReportFilters) -> str:
    return f"candid-{export.name}-{filters.first.isoformat()}-{filters.last.isoformat()}.csv"


def columns_schema(columns: Iterable[Column]) -> dict[str, Any]:
    """The columns as an OpenAPI object."""
    hidden = {"type": "string", "enum": list(map(str, Withheld))}
    kinds: dict[str, dict[str, Any]] = {
        "text": {"type": "string"},
        "date": {"type": "string", "format": "date"},
        "flag": {"type": "boolean"},
        "count": {"oneOf": [{"type": "integer", "nullable": True}, hidden]},
        "measure": {"oneOf": [{"type": "number", "nullable": True}, hidden]},
    }
    return {
        "type": "object",
        "properties": {
            column.name: {**kinds[column.kind], "description": column.meaning} for column in columns
        },
        "required": [column.name for column in columns],
    }
