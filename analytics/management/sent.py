"""Runs the job of a sending command, and prints what it did."""

from collections.abc import Callable

from django.core.management.base import BaseCommand, CommandError

from analytics.heartbeats.sending import NotDelivered
from analytics.jobs.runs import run_job


def run_and_print(command: BaseCommand, job: str, work: Callable[[], str]) -> None:
    """Run the job and print what it did. Raises `CommandError` when it was not delivered."""
    try:
        run = run_job(job, work)
    except NotDelivered as error:
        raise CommandError(str(error)) from error
    command.stdout.write(run.summary or f"Nothing to do: {job} was sent before.")
