"""Errors as a table: a row for each type at each place."""

from collections.abc import Mapping
from operator import attrgetter

from analytics.reports.catalogue import ERRORS
from analytics.reports.cells import AndFewMore
from analytics.reports.filters import ReportFilters
from dashboards.api.exports.export import PREVIOUS, Column, ReportExport, ReportTable, details_of
from dashboards.api.exports.parts import parts_by_row

MEASURES = ("users", "occurrences", "first_seen", "last_seen")  # of the parts by a dimension


def _table(filters: ReportFilters, query: Mapping[str, str]) -> ReportTable:
    report = ERRORS.shown(filters)
    error_type, place = query.get("error_type", ""), query.get("place", "")
    parts = parts_by_row(ERRORS, filters, attrgetter("error_type", "place"), MEASURES, "occurrences")
    rows = [
        [*row[:8], isinstance(row.occurrences, AndFewMore), parts.get((row.error_type, row.place), [])]
        for row in report.rows
        if (not error_type or row.error_type == error_type) and (not place or row.place == place)
    ]
    return ReportTable(rows, details_of(report))


EXPORT = ReportExport(
    report=ERRORS,
    columns=(
        Column("error_type", "text", "class of the error, or the status that stands for it"),
        Column("place", "text", "function, feature (and action), or endpoint's method and template"),
        Column("users", "count", "distinct identified people who met it"),
        Column("occurrences", "count", "times it occurred"),
        Column("first_seen", "day", "first day of the range on which enough people met it"),
        Column("last_seen", "day", "last such day"),
        Column("change", "measure", "relative change of users against the previous period"),
        Column("previous_users", "count", PREVIOUS),
        Column("few_more", "flag", "whether occurrences at few people are left out"),
        Column("by", "parts", "the same by the values of the dimension asked for (by), of most people first"),
    ),
    table=_table,
    extra=("error_type", "place"),
)
