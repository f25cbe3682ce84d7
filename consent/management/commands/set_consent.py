"""`manage.py set_consent STATE`: records a decision of an organization, a user or both, by raw id."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date, parse_datetime

from consent.decisions.recording import (
    BarrierNotReached,
    DecisionRefused,
    record_decision,
    register_organization,
)
from consent.models import DECIDABLE, GRANTABLE, DeploymentType, Level, Method, State, SubjectKind
from consent.pseudonyms import pseudonym


class Command(BaseCommand):
    help = "Record what an organization or a user decided. It takes raw ids and stores only pseudonyms."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("state", choices=[state.value for state in DECIDABLE])
        parser.add_argument("--organization", help="raw id of the organization")
        parser.add_argument("--user", help="raw id of the user")
        parser.add_argument(
            "--deployment-type",
            choices=[kind.value for kind in DeploymentType],
            help="registers how the organization runs the product (needs --organization)",
        )
        parser.add_argument(
            "--level",
            choices=[level.value for level in GRANTABLE],
            help="what a grant is for; account: staff may see this organization's own totals, however few "
            "its people (needs --organization)",
        )
        parser.add_argument(
            "--since",
            help="when the decision was made, if it was first recorded elsewhere (ISO 8601; UTC unless it "
            "gives another zone). A grant applies to events dated from then on.",
        )
        parser.add_argument("--reason", default="", help="stored with the decision; no personal data")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["organization"] and not options["user"]:
            raise CommandError("name whose decision it is: --organization ID, --user ID or both")
        if options["deployment_type"] and not options["organization"]:
            raise CommandError("--deployment-type needs --organization")
        level = Level(options["level"]) if options["level"] else None
        if level and (options["user"] or options["state"] != State.GRANTED):
            raise CommandError("--level belongs to a grant by an organization alone")
        state, since = State(options["state"]), _moment(options["since"])
        recorded = []
        try:
            if options["organization"]:
                subject = pseudonym("organization", options["organization"])
                if options["deployment_type"]:
                    register_organization(pseudonym=subject, deployment_type=options["deployment_type"])
                self._record(SubjectKind.ORGANIZATION, subject, state, since, options["reason"], level)
                recorded.append(f"organization {subject}")
            if options["user"]:
                subject = pseudonym("user", options["user"])
                self._record(SubjectKind.USER, subject, state, since, options["reason"])
                recorded.append(f"user {subject}")
        except DecisionRefused as error:
            raise CommandError(str(error)) from error
        except BarrierNotReached as error:
            raise CommandError(f"Recorded, but {error}. Run it again.") from error
        self.stdout.write(f"Recorded '{state.value}' for {' and '.join(recorded)}.")

    def _record(
        self,
        kind: SubjectKind,
        subject: str,
        state: State,
        since: datetime | None,
        reason: str,
        level: Level | None = None,
    ) -> None:
        record_decision(
            kind=kind,
            subject=subject,
            state=state,
            level=level,
            actor="manage.py set_consent",
            method=Method.COMMAND,
            reason=reason,
            effective_at=since,
        )


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime(day.year, day.month, day.day)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError("--since must be a date or time in ISO 8601, e.g. 2026-11-23T09:00")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
