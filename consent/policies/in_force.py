"""What is in force now: one row for the whole instance, and the locks that keep it from changing.

`material_since` is the moment of the last material change. Every grant from before it is stale, whether or
not its subject's own rows say so yet (`stale_grants.py`).
"""

from datetime import datetime
from typing import NamedTuple

from django.db import connections

from consent.models import InForce
from consent.registry.registry import Registry
from postgres import locks

FIRST_VERSION = "1"


class Current(NamedTuple):
    """What is in force now."""

    policy_version: str
    material_since: datetime | None
    registry_digest: str


def in_force() -> Current:
    """The policy version that decisions are recorded under, the last material change, the active registry."""
    row = (
        InForce.objects.filter(pk=1)
        .values_list("policy_version", "material_since", "registry_digest")
        .first()
    )
    return Current(*row) if row else Current(FIRST_VERSION, None, "")


def put_in_force(collected: Registry, *, policy_version: str, material_since: datetime | None) -> None:
    now = {
        "registry_digest": collected.digest,
        "registry": collected.as_text(),
        "policy_version": policy_version,
        "material_since": material_since,
    }
    InForce.objects.update_or_create(pk=1, defaults=now, create_defaults=now | {"undecided_kept": False})


def lock_against_grants() -> None:
    """Until the transaction ends, nobody else publishes a policy, activates a registry or grants."""
    with connections["default"].cursor() as cursor:
        cursor.execute(locks.TAKE, locks.PUBLISHING)


def lock_against_publication() -> None:
    """Until the transaction ends, no policy is published. For every decision but a denial.

    A denial needs no lock: it covers earlier events, whatever is published.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(locks.TAKE_SHARED, locks.PUBLISHING)


def were_undecided_kept() -> bool:
    """Whether events of undecided subjects may be stored, or once were. Call in the deciding transaction.

    The row stays locked: until the decision commits, no undecided event can be admitted for the first time.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT undecided_kept FROM consent_inforce FOR SHARE")
        row = cursor.fetchone()
    return row is None or bool(row[0])
