"""Suppression of the endpoint reports: requests are of published cells already; people by their number."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from analytics.reports.cells import AndFewMore, Withheld, exact
from analytics.reports.endpoints import (
    EndpointDay,
    EndpointReport,
    EndpointRow,
    EndpointsReport,
    StatusRow,
)
from analytics.reports.sorting import sorted_endpoints
from analytics.reports.suppression.rules import few, hidden_measure, must_be_published, shown
from analytics.reports.suppression.together import Marks
from analytics.reports.together import ALL_TOGETHER


def suppress_endpoints(report: EndpointsReport) -> EndpointsReport:
    """Each endpoint by its own people."""
    must_be_published(report.published)
    marks = Marks(report.together, report.filters)
    rows = [_marked(_endpoint_row(row), marks, (row.endpoint, row.method), "range") for row in report.rows]
    if report.filters.reaches_sealed:
        rows = [row._replace(users=Withheld.GONE) for row in rows]
    return replace(report, rows=sorted_endpoints(rows, report.filters.sort), **_common(report, ALL_TOGETHER))


def suppress_endpoint(report: EndpointReport) -> EndpointReport:
    """As in the list. A hidden day hides its latency, too."""
    must_be_published(report.published)
    common = _common(report, (report.endpoint, report.method))
    hidden = {day.day for day in common["days"] if isinstance(day.requests, Withheld)}
    whole = isinstance(common["total"].requests, Withheld)
    return replace(
        report,
        statuses=[
            StatusRow(row.status, Withheld.HIDDEN if whole else row.requests) for row in report.statuses
        ],
        latency=[] if whole else [cell for cell in report.latency if cell.day not in hidden],
        **common,
    )


def _marked(row: EndpointRow, marks: Marks, name: Hashable, *spans: str) -> EndpointRow:
    """The row without people whose number would give few away beside the same under other filters."""
    for span in spans:
        row = row._replace(users=marks.of(row.users, name, span))
    return row


def _common(report: EndpointsReport | EndpointReport, name: Hashable) -> dict[str, Any]:
    """Totals and days. The headline includes today when today adds few people."""
    filters, total = report.filters, report.total
    marks = Marks(report.together, filters)
    today_is_few = any(few(day.users) for day in report.days if not day.complete)
    new_today = few(exact(total.users) - exact(report.headline.users))
    headline = total if today_is_few or new_today else report.headline
    previous = report.previous
    before_is_few = bool(previous and few(previous.users))
    shown_total = _marked(_endpoint_row(total), marks, name, "range")
    shown_headline = _marked(_endpoint_row(headline), marks, name, "complete", "range")
    previous = previous and _marked(_endpoint_row(previous), marks, name, "before")
    days = [_marked_day(_endpoint_day(day, few(total.users)), marks, name) for day in report.days]
    if filters.reaches_sealed:
        shown_total, shown_headline = (
            row._replace(users=Withheld.GONE) for row in (shown_total, shown_headline)
        )
        days = [day._replace(users=Withheld.GONE) if filters.is_sealed(day.day) else day for day in days]
    return {
        "total": shown_total,
        "headline": shown_headline,
        "previous": previous,
        "days": days,
        "previous_days": [
            _marked_day(_endpoint_day(day, before_is_few), marks, name) for day in report.previous_days
        ],
        "together": None,
    }


def _marked_day(day: EndpointDay, marks: Marks, name: Hashable) -> EndpointDay:
    return day._replace(users=marks.on(day.users, name, day.day))


def _is_hidden(users: object, requests: object) -> bool:
    """Whether a measure is of few people, or of no published cell."""
    return few(users) or (isinstance(requests, AndFewMore) and not requests)  # type: ignore[arg-type]


def _endpoint_row(row: EndpointRow) -> EndpointRow:
    complete, before = row.compared_users
    if _is_hidden(row.users, row.requests):
        return EndpointRow(
            endpoint=row.endpoint,
            method=row.method,
            requests=Withheld.HIDDEN,
            errors=Withheld.HIDDEN,
            error_rate=Withheld.HIDDEN,
            mean_ms=Withheld.HIDDEN,
            p50_ms=Withheld.HIDDEN,
            p95_ms=Withheld.HIDDEN,
            p99_ms=Withheld.HIDDEN,
            users=shown(row.users),
            previous_p95_ms=Withheld.HIDDEN,
            change=Withheld.HIDDEN,
            trend=(Withheld.HIDDEN,) * len(row.trend),
        )
    return row._replace(
        previous_p95_ms=hidden_measure(row.previous_p95_ms, few(before)),
        change=hidden_measure(row.change, few(before) or few(complete)),
        trend=tuple(
            hidden_measure(p95, few(users)) for p95, users in zip(row.trend, row.trend_users, strict=True)
        ),
        trend_users=(),
        compared_users=(0, 0),
    )


def _endpoint_day(day: EndpointDay, whole: bool) -> EndpointDay:
    if not _is_hidden(day.users, day.requests) and not (whole and day.users):
        return day
    return day._replace(
        requests=Withheld.HIDDEN,
        errors=Withheld.HIDDEN,
        p50_ms=Withheld.HIDDEN,
        p95_ms=Withheld.HIDDEN,
        p99_ms=Withheld.HIDDEN,
        users=Withheld.HIDDEN if whole and not few(day.users) else shown(day.users),
    )
