"""`python -m benchmarks.reports [--data-dir DIR] [--events N] [--people N] [--days N] [--runs N]`."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from benchmarks.faults.instance import directory, end_on_sigterm


def main() -> None:
    options = arguments()
    end_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else 140)
    with directory() if options.data_dir is None else contextlib.nullcontext(options.data_dir) as folder:
        with servers(folder):
            run(options, console)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports")
    parser.add_argument("--data-dir", type=Path, help="kept, and used again as it is when it holds events")
    parser.add_argument("--events", type=int, default=10_000_000, help="to write (10 million)")
    parser.add_argument("--days", type=int, default=90, help="that they are spread over (90)")
    parser.add_argument("--people", type=int, default=200_000, help="who make them (200,000)")
    parser.add_argument("--organizations", type=int, default=2_000, help="that these are in (2,000)")
    return parser.parse_args()


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[None]:
    """PostgreSQL and Redis of our own, durable, and Django set up for them."""
    from telemetry_site import embedded

    held = embedded.start(folder.absolute())
    os.environ.update(held.environment() | {"DJANGO_SETTINGS_MODULE": "telemetry_site.settings"})
    try:
        import django

        django.setup()
        yield
    finally:
        held.stop()


def run(options: argparse.Namespace, console: Console) -> None:
    from django.core.management import call_command

    from analytics.models import EndpointUsage
    from analytics.periods import report_today
    from benchmarks.reports.crowd import Size
    from benchmarks.reports.filling import fill

    call_command("migrate", verbosity=0, interactive=False)
    size = Size(options.events, options.days, options.people, options.organizations)
    if not EndpointUsage.objects.exists():
        seconds = fill(size, report_today())
        console.print(f"{size.events:,} events written in {seconds:.0f} s")


if __name__ == "__main__":
    main()
