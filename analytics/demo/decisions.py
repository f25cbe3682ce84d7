"""Demo consent: organizations and people with their decisions, written and removed."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

import numpy as np
from django.db import transaction

from analytics.demo.events import Pseudonyms
from analytics.demo.people import Population
from analytics.demo.product import CUSTOMERS
from consent.models import ConsentPeriod, Organization, State, SubjectKind, TelemetryUser

Subject = TypeVar("Subject")

DECLINED = 0.09  # as a share of those who have events
UNDECIDED = 0.14
SUBJECTS_A_STATEMENT = 5_000


def write_consent(random: np.random.Generator, crowd: Population, names: Pseudonyms) -> None:
    """Write organizations and people with their periods of consent: granted before their first events.

    None of it is in the decision log: nobody has really decided anything, and the log is permanent.
    """
    subjects = _subjects(random, crowd, names)
    with transaction.atomic(using="default"):
        Organization.objects.bulk_create(
            Organization(
                pseudonym=name,
                label=customer.label,
                deployment_type=customer.deployment_type,
                is_internal=customer.is_internal,
                state=customer.state,
                is_demo=True,
            )
            for name, customer in zip(names.organizations, CUSTOMERS, strict=True)
        )
        for block in blocks(subjects):
            TelemetryUser.objects.bulk_create(
                TelemetryUser(pseudonym=name, state=state, is_demo=True)
                for kind, name, state, _ in block
                if kind == SubjectKind.USER
            )
            ConsentPeriod.objects.bulk_create(
                ConsentPeriod(subject_kind=kind, subject=name, state=state, since=since)
                for kind, name, state, since in block
                if state != State.UNSET
            )


def _subjects(
    random: np.random.Generator, crowd: Population, names: Pseudonyms
) -> list[tuple[SubjectKind, str, str, datetime]]:
    """Kind, pseudonym and state of each subject, and since when."""
    start = datetime.combine(crowd.first_day, datetime.min.time(), UTC) - timedelta(days=1)
    organizations, people = SubjectKind.ORGANIZATION, SubjectKind.USER
    subjects: list[tuple[SubjectKind, str, str, datetime]] = [
        (organizations, name, customer.state, start)
        for name, customer in zip(names.organizations, CUSTOMERS, strict=True)
    ]
    for name, day in zip(names.people, np.clip(crowd.signed_up, 0, None).tolist(), strict=True):
        subjects.append((people, name, "granted", start + timedelta(days=day)))
    others = Pseudonyms(len(names.people) + int(len(names.people) * (DECLINED + UNDECIDED)), 0)
    for number, name in enumerate(others.people[len(names.people) :]):
        state = "denied" if number < len(names.people) * DECLINED else "unset"
        subjects.append(
            (people, name, state, start + timedelta(days=int(random.integers(1, crowd.days + 1))))
        )
    return subjects


def invented(model: type[Organization] | type[TelemetryUser]) -> list[str]:
    """The pseudonyms of demo subjects."""
    return sorted(model.objects.filter(is_demo=True).values_list("pseudonym", flat=True))


def remove_consent(people: list[str], organizations: list[str]) -> None:
    """Delete these subjects with their periods."""
    with transaction.atomic(using="default"):
        for block in blocks(people):
            TelemetryUser.objects.filter(pseudonym__in=block).delete()
            ConsentPeriod.objects.filter(subject_kind=SubjectKind.USER, subject__in=block).delete()
        Organization.objects.filter(pseudonym__in=organizations).delete()
        ConsentPeriod.objects.filter(
            subject_kind=SubjectKind.ORGANIZATION, subject__in=organizations
        ).delete()


def blocks(subjects: Iterable[Subject]) -> Iterator[list[Subject]]:
    """The subjects in blocks that fit one statement."""
    rest = iter(subjects)
    while block := list(islice(rest, SUBJECTS_A_STATEMENT)):
        yield block
