"""Filters by dimensions in SQL. On each report day only the most frequent values are kept apart."""

from collections.abc import Iterator
from datetime import date

from analytics.report_days import bounds, report_zone_name
from analytics.reports.filters import ReportFilters
from analytics.rollups import layout
from tests.support.plain_sql.statements import DAY, EVENT_TABLES, IDENTIFIED, Segment, plain_cursor

NONE = ""

VALUES = f"""
SELECT {DAY} AS day, event_metadata->>%(name)s AS value FROM {{table}}
 WHERE event_metadata ? %(name)s AND "timestamp" >= %(since)s AND "timestamp" < %(until)s AND {{condition}}
"""
RARE = """
SELECT day, value FROM (
    SELECT day, value, row_number() OVER (PARTITION BY day ORDER BY count(*) DESC, value COLLATE "C") AS place
      FROM ({values}) AS every GROUP BY 1, 2
) AS ordered WHERE place > %(most)s
"""


def in_dimensions(filters: ReportFilters, first: date, last: date) -> Segment:
    """The rows of these days that have all of the values asked for."""
    asked = Segment(("TRUE",))
    for number, (name, value) in enumerate(filters.dimensions):
        own, sent = f"dimension_{number}", f"event_metadata->>%(dimension_{number})s"
        asked = asked.with_(**{own: name})
        if value == NONE:
            asked = asked.with_(f"{sent} IS NULL")
            continue
        rare = list(_rare_values(name, first, last))
        is_rare = f"({DAY}, {sent}) IN (SELECT * FROM unnest(%({own}_day)s::date[], %({own}_rare)s::text[]))"
        asked = asked.with_(
            **{f"{own}_day": [day for day, _ in rare], f"{own}_rare": [value for _, value in rare]}
        )
        if value == layout.OTHER:
            asked = asked.with_(is_rare)
        else:
            asked = asked.with_(f"{sent} = %({own}_value)s AND NOT {is_rare}", **{f"{own}_value": value})
    return asked


def _rare_values(name: str, first: date, last: date) -> Iterator[tuple[date, str]]:
    """By report day, the values beyond the most frequent ones, whoever the events are of."""
    since, until = bounds(first, last)
    values = " UNION ALL ".join(
        VALUES.format(table=table, condition=IDENTIFIED if "activity" in table else "TRUE")
        for table in EVENT_TABLES
    )
    parameters = {
        "name": name,
        "since": since,
        "until": until,
        "zone": report_zone_name(),
        "most": layout.MOST_VALUES,
    }
    with plain_cursor() as cursor:
        cursor.execute(RARE.format(values=values), parameters)
        yield from cursor.fetchall()
