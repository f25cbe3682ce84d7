"""Installations as a table: a row for each version, each platform and so on."""

from collections.abc import Mapping

from analytics.reports.catalogue import INSTALLATIONS
from analytics.reports.filters import ReportFilters
from analytics.reports.installations import KindRow
from dashboards.api.exports.export import PREVIOUS, Column, ReportExport, ReportTable


def _table(filters: ReportFilters, query: Mapping[str, str]) -> ReportTable:
    report = INSTALLATIONS.shown(filters)
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
    return ReportTable(rows, details)


EXPORT = ReportExport(
    report=INSTALLATIONS,
    columns=(
        Column("group", "text", "version, platform, architecture, release_channel or deployment"),
        Column("kind", "text", "what is reported; small kinds are folded together"),
        Column("installations", "count", "active on the last complete day"),
        Column("share", "measure", "of the active installations"),
        Column("previous", "count", PREVIOUS),
    ),
    table=_table,
)
