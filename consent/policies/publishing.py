"""Publishing a policy version, which is kept for good together with the registry that it describes.

A material version makes every earlier grant stale at the moment of its publication; an editorial one
changes no grant. Denials stay. Nothing is collected before the policy that names it is published
(`activation.py` activates registries that collect no more than that).
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from consent.gate import barrier
from consent.models import ConsentPeriod, Organization, PolicyVersion, State, TelemetryUser
from consent.policies.in_force import FIRST_VERSION, in_force, lock_against_grants, put_in_force
from consent.policies.stale_grants import end_grants
from consent.policies.versions import VERSION, changes_since, exists, last_published
from consent.registry import registry
from consent.registry.differences import Change
from consent.registry.registry import Registry

FIRST_TEXT = Path(__file__).parent / "policy.txt"


class PolicyRefused(Exception):
    """The policy cannot be published; the message says why. `changes` are the material changes at fault."""

    def __init__(self, message: str, material: list[Change] | None = None) -> None:
        super().__init__(message)
        self.changes = material or []


class GrantCounts(NamedTuple):
    """How many have opted in: after a material change, all of them must be asked again."""

    users: int
    organizations: int


class Publication(NamedTuple):
    """A published version, and how many grants it made stale."""

    policy: PolicyVersion
    changes: list[Change]
    stale_users: int
    stale_organizations: int


def granted() -> GrantCounts:
    """How many grants hold. Counts row by row: too slow while others wait for a lock."""
    return GrantCounts(
        *(model.objects.filter(state=State.GRANTED).count() for model in (TelemetryUser, Organization))
    )


def publish(
    *, text: str | None = None, version: str = "", editorial: bool = False, actor: str
) -> Publication:
    """Publish what the registry's files and the settings collect, with `text` (None: as before).

    The version is material unless `editorial`. Returns once it holds for all of ingest. Raises
    `PolicyRefused` and `RegistryError` (the files are broken), both with nothing published, and
    `BarrierNotReached`: published, but events in flight could not be ruled out.
    """
    collected = registry.load(registry.files())
    end_grants()
    with transaction.atomic(using="default", durable=True):
        lock_against_grants()
        end_grants()  # of an earlier material change, which this one would hide; normally none are left
        before = last_published()
        changes = changes_since(before, collected)
        text = (before.text if before else FIRST_TEXT.read_text(encoding="utf-8")) if text is None else text
        _check(before, changes, text, editorial)
        policy = _record(
            version=_next_version(before, version),
            text=text,
            collected=collected,
            is_material=not editorial,
            changes=changes,
            actor=actor,
        )
    registry.use(collected)
    try:
        barrier.wait_for_all_ingest()
    finally:
        stale = end_grants()
    return Publication(policy, changes, *stale)


def publish_first(collected: Registry, actor: str) -> PolicyVersion:
    """The version that an instance begins with. Call with `lock_against_grants`; nobody has granted yet."""
    text = FIRST_TEXT.read_text(encoding="utf-8")
    return _record(
        version=FIRST_VERSION, text=text, collected=collected, is_material=False, changes=[], actor=actor
    )


def _check(before: PolicyVersion | None, changes: list[Change], text: str, editorial: bool) -> None:
    if not text.strip():
        raise PolicyRefused("a policy needs a text")
    if before and not changes and text == before.text:
        raise PolicyRefused(f"nothing has changed since version {before.version}")
    material = [change for change in changes if change.is_material]
    if before and editorial and material:
        raise PolicyRefused(
            f"this is not an editorial change: it collects more than version {before.version}, or keeps "
            "events for longer, so everybody must be asked again",
            material,
        )


def _next_version(before: PolicyVersion | None, requested: str) -> str:
    if not requested:
        if before and not before.version.isdecimal():
            raise PolicyRefused(f"name the version: there is no next number after '{before.version}'")
        requested = str(int(before.version) + 1) if before else FIRST_VERSION
    if not VERSION.fullmatch(requested):
        raise PolicyRefused(
            "a version has 1 to 40 letters, digits, '.', '_' or '-', and begins with a letter or digit"
        )
    if exists(requested):
        raise PolicyRefused(
            f"version {requested} is already published, and a published version never changes"
        )
    return requested


def _record(
    *, version: str, text: str, collected: Registry, is_material: bool, changes: list[Change], actor: str
) -> PolicyVersion:
    now = _after_every_grant() if is_material else timezone.now()
    policy = PolicyVersion.objects.create(
        version=version,
        text=text,
        registry_digest=collected.digest,
        registry=collected.content(),
        retention_months=settings.EVENT_RETENTION_MONTHS,
        is_material=is_material,
        changes=[change.text for change in changes],
        published_at=now,
        published_by=actor[:150],
    )
    material_since = now if is_material else in_force().material_since
    put_in_force(collected, policy_version=version, material_since=material_since)
    return policy


def _after_every_grant() -> datetime:
    """Now, or later if another machine's clock, ahead of ours, dated a grant or the last material change."""
    open_grants = ConsentPeriod.objects.filter(state=State.GRANTED, until=None)
    dated = (open_grants.aggregate(latest=Max("since"))["latest"], in_force().material_since)
    return max([timezone.now(), *(moment + timedelta(microseconds=1) for moment in dated if moment)])
