"""What dropping a month costs, compared with deleting it: `python -m benchmarks.pruning`.

Fills 15 months of the three event tables (2,000,000 rows each, some 8 GB: `--rows`) in a PostgreSQL of its
own, with fsync, rolls up the first ones, and prunes so that twelve months are kept: the two months that are
older are sealed, then dropped. The next month, of as many rows, is deleted with DELETE and VACUUM in the same
run. Prints time and WAL of each; autovacuum, whose WAL would be counted too, is off meanwhile. Reports of the
first month, and how many users are new in the first month that stays, must be the same before and after.
"""

import argparse
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.embedded import checkpoint, servers
from tests.support.faults.instance import directory, end_on_sigterm

MONTHS = 15
FULL = 3  # of these two go, and one is deleted
NEW_PEOPLE = 1_000  # in each month; as many come no more
SHARES = {"analytics_endpoint_usage": 0.6, "analytics_feature_usage": 0.25, "analytics_user_activity": 0.15}
OWN = {
    "analytics_endpoint_usage": (
        "endpoint, method, status_code, duration_ms",
        "'/api/things/' || n %% 60, 'GET', 200, n %% 997 + 0.5",
    ),
    "analytics_feature_usage": ("feature_name, action", "'feature-' || n %% 40, 'used'"),
    "analytics_user_activity": ("event_type, session_id", "'login', md5('session' || n)"),
}
FILL = """
INSERT INTO {table} (timestamp, received_at, id, user_id, organization_id, deployment_type, event_metadata,
                     is_internal, {columns})
SELECT at, at, gen_random_uuid(), md5('user' || n %% 200000 + %(came)s), md5('organization' || n %% 2000),
       'cloud', '{{}}', false, {values}
  FROM generate_series(0, %(rows)s - 1) n, LATERAL (SELECT %(first)s + n * %(step)s AS at) moment
"""
DELETE = 'DELETE FROM {table} WHERE "timestamp" >= %s AND "timestamp" < %s'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="in each month, all tables together")
    parser.add_argument("--kept-rows", type=int, help="in each month that stays after that (as --rows)")
    options = parser.parse_args()
    end_on_sigterm()
    with directory() as folder, servers(folder / "var", with_redis=False):
        measure(options, Console())


def measure(options, console):
    from analytics import partitions
    from analytics.rollups import sealing
    from analytics.rollups.building import build
    from analytics.storage import pruning

    now = datetime.now(UTC)
    months = [partitions.Month.of(now.date()).plus(-back) for back in range(MONTHS - 1, -1, -1)]
    partitions.ensure(months[0], months[-1])
    for number, month in enumerate(track(months, "filling months", console=console)):
        rows = options.rows if number < FULL else options.kept_rows or options.rows
        fill(month, rows, came=NEW_PEOPLE * number)
    size = one("SELECT pg_database_size(current_database())")
    console.print(f"{MONTHS} months: {size / 1e9:.1f} GB")

    due = pruning.prune(now=now, dry_run=True).months
    kept = months[len(due)]
    rest_autovacuum([*due, kept])
    with console.status("rolling up"):
        build.roll_up(months[0].starts_at.date(), kept.ends_at.date())
    before = report_figures(months[0], kept)
    with measured() as sealed:
        for month in due:
            sealing.seal(sealing.days_touching(month))
    with measured() as dropping:
        pruned = pruning.prune(now=now)
    console.print(pruned.sentence)
    after = report_figures(months[0], kept)
    console.print(f"reports before: {before}\nreports after:  {after}")
    with measured() as deleting:
        delete(kept)
    left = one("SELECT count(*) FROM analytics_endpoint_usage WHERE timestamp < %s", [kept.ends_at])
    assert left == 0, left

    table = Table(title=f"a month of {options.rows:,} rows")
    for head in ("", "seconds", "WAL, MB"):
        table.add_column(head, justify="right" if head else "left")
    table.add_row(f"seal its days (mean of {len(due)})", *row(sealed, len(due)))
    table.add_row(f"detach and drop (mean of {len(due)})", *row(dropping, len(due)))
    table.add_row("DELETE, VACUUM", *row(deleting, 1))
    console.print(table)
    if before != after:
        raise SystemExit("reports differ after pruning")


def report_figures(first, kept):
    """What reports show of the first month, and of the first one that stays."""
    from analytics.reports import suppression
    from analytics.reports.active_users import active_users_report
    from analytics.reports.endpoints import endpoints_report
    from analytics.reports.features import features_report
    from analytics.reports.retention import retention_report

    month, staying = (month_filters(one) for one in (first, kept))
    total = suppression.suppress_endpoints(endpoints_report(month)).total
    uses = [row.uses for row in suppression.suppress_features(features_report(month)).rows]
    days = suppression.suppress_active_users(active_users_report(month)).days
    return {
        "requests": total.requests,
        "p95 ms": round(total.p95_ms, 3),
        "uses": sum(uses),
        "highest DAU": max(day.total for day in days),
        "highest MAU": max(day.total for day in active_users_report(replace(month, metric="mau")).days),
        "new in the first month that stays": retention_report(staying).headline.new_users,
    }


def month_filters(month):
    """The filters of a report on a month."""
    from analytics.report_days import report_today
    from analytics.reports.filters import ReportFilters
    from analytics.reports.sealed_days import last_sealed_day

    first, last = month.starts_at.date(), (month.ends_at - timedelta(days=1)).date()
    query = {"from": first.isoformat(), "to": last.isoformat(), "compare": "0"}
    return ReportFilters.from_query(query, today=report_today(), last_sealed=last_sealed_day())


def rest_autovacuum(months):
    """Turn autovacuum off, after doing its work on these months, which it would have done long ago."""
    from analytics.partitions import partition_name

    execute("ALTER SYSTEM SET autovacuum = off")
    execute("SELECT pg_reload_conf()")
    execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'")
    for month in months:
        for table in SHARES:
            execute(f"VACUUM ANALYZE {partition_name(table, month)}")


def fill(month, rows, *, came):
    """Fill a month with events; its people have numbers from `came` on."""
    seconds = month.ends_at - month.starts_at
    for table, share in SHARES.items():
        columns, values = OWN[table]
        number = int(rows * share)
        parameters = {"rows": number, "first": month.starts_at, "step": seconds / number, "came": came}
        execute(FILL.format(table=table, columns=columns, values=values), parameters)


def delete(month):
    from analytics.partitions import partition_name

    for table in SHARES:
        execute(DELETE.format(table=table), [month.starts_at, month.ends_at])
        execute(f"VACUUM {partition_name(table, month)}")


class measured:  # noqa: N801  (used like a function)
    """Measures the seconds and bytes of WAL that a block takes, from a checkpoint on."""

    def __enter__(self):
        from django.db import connections

        checkpoint(connections["analytics"].connection)
        self.before, self.began = one("SELECT pg_current_wal_insert_lsn()"), time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.began
        self.wal_bytes = int(one("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", [self.before]))


def row(taken, times):
    return f"{taken.seconds / times:.2f}", f"{taken.wal_bytes / times / 1e6:,.2f}"


def execute(statement, parameters=None):
    from django.db import connections

    with connections["analytics"].cursor() as cursor:
        cursor.execute(statement, parameters)


def one(statement, parameters=None):
    from django.db import connections

    with connections["analytics"].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]


if __name__ == "__main__":
    main()
