"""`python -m benchmarks.reports [--data-dir DIR] [--events N] [--people N] [--days N] [--runs N]`."""

import argparse
import contextlib
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from benchmarks.embedded import servers
from tests.support.faults.instance import directory, end_on_sigterm

COLUMNS = ("first", "ms", "slowest", "plain SQL, ms", "times")
LINE = "{:<15} {:<5} {:<46} {:>7} {:>7} {:>7} {:>13} {:>6}"


def main() -> None:
    options = arguments()
    end_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else 140)
    with directory() if options.data_dir is None else contextlib.nullcontext(options.data_dir) as folder:
        with servers(folder):
            run(options, console)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports")
    parser.add_argument("--data-dir", type=Path, help="a data dir to keep; if it holds events, they are used")
    parser.add_argument("--events", type=int, default=10_000_000, help="events to write (10 million)")
    parser.add_argument("--days", type=int, default=90, help="days that they are spread over (90)")
    parser.add_argument("--people", type=int, default=200_000, help="people who cause them (200,000)")
    parser.add_argument("--report", action="append", help="only this one; may be given several times")
    parser.add_argument("--range", action="append", choices=["30d", "90d", "12m"], help="only this one")
    parser.add_argument("--runs", type=int, default=20, help="runs of each report and page (20)")
    parser.add_argument("--plain-runs", type=int, default=1, help="runs in plain SQL (1); 0: none")
    parser.add_argument(
        "--organizations", type=int, default=2_000, help="organizations of the people (2,000)"
    )
    return parser.parse_args()


def run(options: argparse.Namespace, console: Console) -> None:
    from analytics.models import EndpointUsage, RolledDay
    from analytics.report_days import report_today
    from benchmarks.reports import measuring
    from benchmarks.reports.crowd import Size
    from benchmarks.reports.filling import fill, roll_up

    size = Size(options.events, options.days, options.people, options.organizations)
    if not EndpointUsage.objects.exists():
        console.print(f"{size.events:,} events written in {fill(size, report_today()):.0f} s")
    if not RolledDay.objects.exists():
        console.print(f"rolled up in {roll_up():.0f} s, one process")
    rows, rolled = measuring.sizes()
    console.print(f"disk: rows {rows / 1e6:,.0f} MB, roll-ups {rolled / 1e6:,.1f} MB ({rolled / rows:.1%})")
    reports = options.report or list(measuring.REPORTS)
    ranges = options.range or list(measuring.RANGES)
    console.print(LINE.format("report", "range", "filters", *COLUMNS), style="bold", soft_wrap=True)
    wrong: list[str] = []
    today = report_today()
    measured = measuring.measure(
        today, reports=reports, ranges=ranges, runs=options.runs, plain_runs=options.plain_runs
    )
    for one in measured:  # printed one by one, because plain SQL is slow
        plain = ("", "")
        if one.plain_ms is not None:
            plain = (f"{one.plain_ms:,.0f}", f"{one.plain_ms / one.rolled_ms:,.0f}")
        times = (f"{one.first_ms:.1f}", f"{one.rolled_ms:.1f}", f"{one.slowest_ms:.1f}")
        console.print(LINE.format(one.report, one.range, one.filters, *times, *plain), soft_wrap=True)
        wrong += [f"{one.report} {one.range} {one.filters}{line}" for line in one.differences]
    if not options.report:
        pages = Table("page", "range", *(Column(name, justify="right") for name in ("ms", "slowest", "kB")))
        for page, chosen, median, slowest, bytes_of in measuring.measure_pages(options.runs, ranges):
            pages.add_row(page, chosen, f"{median:.0f}", f"{slowest:.0f}", f"{bytes_of / 1000:.0f}")
        console.print(pages)
    for line in wrong[:20]:
        console.print(f"differs: {line}", markup=False, soft_wrap=True)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
