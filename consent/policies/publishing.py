"""Policy versions: published once, kept for good, and what each of them does to earlier grants.

A material version makes every grant stale in the moment of its publication; an editorial one
changes nothing. Denials stay. The registry becomes active together with its policy: nothing is
collected that has not been published (`active.py` brings in what only collects less).

That moment is one row (`InForce.material_since`), which the gate reads: a grant from before is stale.
Writing so into each subject's own rows takes seconds for many users, and nobody waits for it.
"""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connections, transaction
from django.db.models import Max
from django.utils import timezone

from consent.gate import barrier
from consent.models import (
    ConsentPeriod,
    InForce,
    Organization,
    PolicyVersion,
    State,
    SubjectKind,
    TelemetryUser,
)
from consent.registry import registry
from consent.registry.differences import Change, CollectionTerms, changes
from consent.registry.registry import Registry
from postgres import locks

FIRST_VERSION = "1"
FIRST_TEXT = Path(__file__).parent / "policy.txt"
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,39}")

BATCH = 500  # subjects that are locked at a time: a withdrawal among them waits as long

HOLDERS = {SubjectKind.ORGANIZATION: "consent_organization", SubjectKind.USER: "consent_telemetryuser"}
NEXT_OVERTAKEN = """
SELECT subject FROM consent_consentperiod
 WHERE subject_kind = %(kind)s AND until IS NULL AND state = 'granted' AND since < %(at)s
   AND subject > %(after)s
 ORDER BY subject LIMIT %(most)s
"""
# Whoever decides locks its own row first, then its period; so do we, and nobody waits in a circle.
LOCK_HOLDERS = "SELECT FROM {holders} WHERE pseudonym = ANY(%(subjects)s) ORDER BY pseudonym FOR UPDATE"
# In one statement, so that no moment is without an open period.
END_GRANTS = """
WITH ended AS (
    UPDATE consent_consentperiod SET until = %(at)s
     WHERE subject_kind = %(kind)s AND until IS NULL AND state = 'granted' AND since < %(at)s
       AND subject = ANY(%(subjects)s)
    RETURNING subject
), told AS (
    INSERT INTO consent_consentperiod (subject_kind, subject, state, since)
    SELECT %(kind)s, subject, 'stale', %(at)s FROM ended
)
UPDATE {holders} SET state = 'stale', updated_at = %(at)s WHERE pseudonym IN (SELECT subject FROM ended)
"""


class PolicyRefused(Exception):
    """A policy that cannot be published like this, in a sentence. `changes` holds the material ones."""

    def __init__(self, message: str, found: list[Change] | None = None) -> None:
        super().__init__(message)
        self.changes = found or []


class Current(NamedTuple):
    """What is in force now."""

    policy_version: str
    material_since: datetime | None
    registry_digest: str


class Granted(NamedTuple):
    """How many have opted in: those whom a material change would ask again."""

    users: int
    organizations: int


class Publication(NamedTuple):
    """A version that was published, and how many grants became stale by it."""

    policy: PolicyVersion
    changes: list[Change]
    stale_users: int
    stale_organizations: int


def in_force() -> Current:
    """The policy version that decisions are recorded under, and since when older grants are stale."""
    row = (
        InForce.objects.filter(pk=1)
        .values_list("policy_version", "material_since", "registry_digest")
        .first()
    )
    return Current(*row) if row else Current(FIRST_VERSION, None, "")


def hold_still() -> None:
    """In a transaction that decides: no material change is published until it has ended.

    A denial need not: it reaches back beyond any change.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(locks.TAKE_SHARED, locks.PUBLISHING)


def were_undecided_kept() -> bool:
    """In a transaction that decides: whether events of the undecided may be stored, or once were.

    Until it has ended, none begins to be: whoever notes it waits, and reads the decision.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT undecided_kept FROM consent_inforce FOR SHARE")
        found = cursor.fetchone()
    return found is None or bool(found[0])


def exists(version: str) -> bool:
    return VERSION.fullmatch(version) is not None and PolicyVersion.objects.filter(version=version).exists()


def is_before_material(version: str) -> bool:
    """Whether a material version was published after this one."""
    shown = PolicyVersion.objects.filter(version=version).values_list("id", flat=True).first()
    return shown is not None and PolicyVersion.objects.filter(is_material=True, id__gt=shown).exists()


def compare(published: PolicyVersion | None, now: Registry) -> list[Change]:
    """What `now` and the settings collect that the published version did not, or no longer."""
    after = CollectionTerms(now.content(), settings.EVENT_RETENTION_MONTHS)
    return (
        changes(CollectionTerms(published.registry, published.retention_months), after) if published else []
    )


def granted() -> Granted:
    """Counted row by row: not for a moment in which others wait."""
    return Granted(
        *(model.objects.filter(state=State.GRANTED).count() for model in (TelemetryUser, Organization))
    )


def last_published() -> PolicyVersion | None:
    return PolicyVersion.objects.order_by("-id").first()


def publish(
    *, text: str | None = None, version: str = "", editorial: bool = False, actor: str
) -> Publication:
    """Publish what the registry's files and the settings collect, with `text` (None: as it was).

    Material unless `editorial`. Returns when it holds for every ingest: raises `PolicyRefused`
    (nothing is changed), `RegistryError` (the files are broken; nothing is changed), and
    `BarrierNotReached` (published, but events in flight could not be ruled out).
    """
    collected = registry.load(registry.files())
    end_grants()
    with transaction.atomic(using="default", durable=True):
        take_turns()
        end_grants()  # of an earlier change, which must not be forgotten for this one: none, as a rule
        before = last_published()
        found = compare(before, collected)
        text = (before.text if before else FIRST_TEXT.read_text(encoding="utf-8")) if text is None else text
        _check(before, found, text, editorial)
        policy = _record(
            version=_next_version(before, version),
            text=text,
            collected=collected,
            is_material=not editorial,
            found=found,
            actor=actor,
        )
    registry.use(collected)
    try:
        barrier.wait_for_all_ingest()
    finally:
        stale = end_grants()
    return Publication(policy, found, *stale)


def publish_first(collected: Registry, actor: str) -> PolicyVersion:
    """The version that an instance begins with. Call with the turn taken; nobody has granted anything yet."""
    text = FIRST_TEXT.read_text(encoding="utf-8")
    return _record(
        version=FIRST_VERSION, text=text, collected=collected, is_material=False, found=[], actor=actor
    )


def take_turns() -> None:
    """One publication or activation at a time, and no grant meanwhile; until the transaction ends."""
    with connections["default"].cursor() as cursor:
        cursor.execute(locks.TAKE, locks.PUBLISHING)


def _check(before: PolicyVersion | None, found: list[Change], text: str, editorial: bool) -> None:
    if not text.strip():
        raise PolicyRefused("a policy needs a text")
    if before and not found and text == before.text:
        raise PolicyRefused(f"nothing has changed since version {before.version}")
    material = [change for change in found if change.is_material]
    if before and editorial and material:
        raise PolicyRefused(
            f"this is no editorial change: more is collected than by version {before.version}, or for "
            "longer, so everybody must be asked again",
            material,
        )


def _next_version(before: PolicyVersion | None, wanted: str) -> str:
    if not wanted:
        if before and not before.version.isdecimal():
            raise PolicyRefused(f"name the version: what follows on '{before.version}' cannot be guessed")
        wanted = str(int(before.version) + 1) if before else FIRST_VERSION
    if not VERSION.fullmatch(wanted):
        raise PolicyRefused(
            "a version has 1 to 40 letters, digits, '.', '_' or '-', and begins with one of the first two"
        )
    if exists(wanted):
        raise PolicyRefused(f"version {wanted} is published already, and what is published is never changed")
    return wanted


def _record(
    *, version: str, text: str, collected: Registry, is_material: bool, found: list[Change], actor: str
) -> PolicyVersion:
    now = _after_every_grant() if is_material else timezone.now()
    policy = PolicyVersion.objects.create(
        version=version,
        text=text,
        registry_digest=collected.digest,
        registry=collected.content(),
        retention_months=settings.EVENT_RETENTION_MONTHS,
        is_material=is_material,
        changes=[change.text for change in found],
        published_at=now,
        published_by=actor[:150],
    )
    last = now if is_material else in_force().material_since
    put_in_force(collected, policy_version=version, material_since=last)
    return policy


def put_in_force(collected: Registry, *, policy_version: str, material_since: datetime | None) -> None:
    now = {
        "registry_digest": collected.digest,
        "registry": collected.as_text(),
        "policy_version": policy_version,
        "material_since": material_since,
    }
    InForce.objects.update_or_create(pk=1, defaults=now, create_defaults=now | {"undecided_kept": False})


def _after_every_grant() -> datetime:
    """Now; later where another machine's clock has dated a grant ahead of ours."""
    granted = ConsentPeriod.objects.filter(state=State.GRANTED, until=None)
    latest = granted.aggregate(latest=Max("since"))["latest"]
    return max(timezone.now(), latest + timedelta(microseconds=1)) if latest else timezone.now()


def is_overtaken(period: ConsentPeriod, material_since: datetime | None) -> bool:
    """Whether this is a grant that the last material change has made stale, not written down as such yet."""
    is_open_grant = period.state == State.GRANTED and period.until is None
    return is_open_grant and material_since is not None and period.since < material_since


def end_overtaken(period: ConsentPeriod, material_since: datetime) -> ConsentPeriod:
    """Write it down, with the subject's row locked; the stale period that follows on the grant."""
    period.until = material_since
    period.save(update_fields=["until"])
    return ConsentPeriod.objects.create(
        subject_kind=period.subject_kind, subject=period.subject, state=State.STALE, since=material_since
    )


def end_grants() -> tuple[int, int]:
    """Write down which grants are stale since the last material change, a few subjects at a time.

    How many users and organizations that were. Interrupted, it goes on with the next start or publication.
    """
    material_since = in_force().material_since
    if material_since is None:
        return 0, 0
    organizations = _end_grants(SubjectKind.ORGANIZATION, material_since)
    return _end_grants(SubjectKind.USER, material_since), organizations


def _end_grants(kind: SubjectKind, at: datetime) -> int:
    holders, ended = HOLDERS[kind], 0
    some: dict[str, Any] = {"kind": kind.value, "at": at, "most": BATCH, "subjects": [""]}
    with connections["default"].cursor() as cursor:
        while some["subjects"]:
            cursor.execute(NEXT_OVERTAKEN, some | {"after": some["subjects"][-1]})
            some["subjects"] = [subject for (subject,) in cursor.fetchall()]
            with transaction.atomic(using="default"):
                cursor.execute(LOCK_HOLDERS.format(holders=holders), some)
                cursor.execute(END_GRANTS.format(holders=holders), some)
                ended += cursor.rowcount
    return ended
