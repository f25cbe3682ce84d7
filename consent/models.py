"""Who decided what, and who may call: organizations, users, their decisions, and keys.

Everything here is keyed by pseudonym; a raw id never reaches a table. What the gate asks at
ingest are the *periods*; the *decisions* are the append-only account of how they came about.
"""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class State(models.TextChoices):
    """What a subject has said. The dashboards' words for them are the labels.

    The last is never said: a grant becomes stale by a material change of the policy, and counts as
    denied until it is given again.
    """

    UNSET = "unset", "Not decided"
    GRANTED = "granted", "Opted in"
    DENIED = "denied", "Opted out"
    STALE = "stale", "To be asked again"


DECIDABLE = (State.UNSET, State.GRANTED, State.DENIED)


class Level(models.TextChoices):
    """The most that may be kept of a subject's events by a decision of its own: a tier's name."""

    NOTHING = "nothing", "Nothing"
    BASE = "base", "Base"
    DETAILED = "detailed", "Detailed"


class SubjectKind(models.TextChoices):
    """Whose consent a decision is about."""

    ORGANIZATION = "organization", "Organization"
    USER = "user", "User"


class DeploymentType(models.TextChoices):
    """How an organization runs the product; decides which consent profile holds for it."""

    CLOUD = "cloud", "Cloud"
    SELF_HOSTED = "self-hosted", "Self-hosted"
    UNKNOWN = "unknown", "Not reported"


class Method(models.TextChoices):
    """The way by which a decision reached us."""

    ADMIN = "admin", "Admin"
    API = "api", "API"
    COMMAND = "command", "Command"
    LINK = "link", "Link"
    SIGNAL = "signal", "Signal"


class Organization(models.Model):
    """A customer of the vendor, known to us by pseudonym, with a label that admins give."""

    pseudonym = models.CharField(max_length=32, unique=True, editable=False)
    label = models.CharField(max_length=100, blank=True, help_text="Shown to staff; no personal names.")
    deployment_type = models.CharField(max_length=20, choices=DeploymentType, default=DeploymentType.UNKNOWN)
    is_internal = models.BooleanField(
        "internal", default=False, help_text="Our own use: left out of reports unless asked for."
    )
    state = models.CharField(max_length=10, choices=State, default=State.UNSET, editable=False)
    notice_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When this organization was shown the notice (profile “notice” only).",
    )
    is_demo = models.BooleanField(
        default=False, editable=False, help_text="Invented: nobody decided anything."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.label or f"organization {self.pseudonym[:6]}"


class TelemetryUser(models.Model):
    """A person who uses the vendor's product. Not a sign-in of Candid: those are Django's users."""

    pseudonym = models.CharField(max_length=32, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.UNSET, editable=False)
    is_demo = models.BooleanField(
        default=False, editable=False, help_text="Invented: nobody decided anything."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "user"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"user {self.pseudonym[:6]}"


class ConsentPeriod(models.Model):
    """From `since` (inclusive) to `until` (exclusive, null = still) a subject's state was `state`."""

    subject_kind = models.CharField(max_length=12, choices=SubjectKind)
    subject = models.CharField(max_length=32)
    state = models.CharField(max_length=10, choices=State)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    is_superseded = models.BooleanField(
        db_default=False, help_text="Before a later refusal, which reaches back: ingest need not ask."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "subject_kind"], condition=Q(until=None), name="one_open_period"
            ),
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gte=models.F("since")), name="period_ends_after_it_begins"
            ),
        ]
        indexes = [
            models.Index(fields=["subject", "subject_kind", "since"], name="period_by_subject"),
            # However often somebody has changed their mind, ingest reads a row or two.
            models.Index(
                fields=["subject", "subject_kind"],
                condition=Q(is_superseded=False),
                name="period_that_matters",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject[:6]} {self.state}"


class Decision(models.Model):
    """One record of the decision log: append-only, which the database holds; written by `decision_log` alone.

    `digest` seals the record and `previous`, the digest of the record before it (`chain.py`).
    """

    number = models.BigIntegerField(unique=True, help_text="Its place in the log, from 1, without a gap.")
    subject_kind = models.CharField(max_length=12, choices=SubjectKind)
    subject = models.CharField(max_length=32)
    state = models.CharField(max_length=10, choices=State)
    level = models.CharField(max_length=10, choices=Level)
    policy_version = models.CharField(max_length=40)
    actor = models.CharField(max_length=150, help_text="Sign-in name, key name or command; never a raw id.")
    method = models.CharField(max_length=10, choices=Method)
    reason = models.CharField(max_length=500, blank=True)
    effective_at = models.DateTimeField(help_text="From when it holds for events.")
    recorded_at = models.DateTimeField()
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-number"]
        indexes = [models.Index(fields=["subject", "subject_kind"], name="decision_by_subject")]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject[:6]} {self.state}"


class DecisionHead(models.Model):
    """The one row at which appends take turns: how long the log is, its last seal, signed."""

    count = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    signature = models.CharField(max_length=64)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_decision_head")]

    def __str__(self) -> str:
        return f"{self.count} decisions"


class PolicyVersion(models.Model):
    """A policy as it was published: its text, and what was collected under it. Append-only, too."""

    version = models.CharField(max_length=40, unique=True)
    text = models.TextField()
    registry_digest = models.CharField(max_length=64)
    registry = models.JSONField(help_text="Everything that is collected: `Registry.content()`.")
    retention_months = models.PositiveIntegerField()
    is_material = models.BooleanField("material", help_text="Earlier grants were stale from then on.")
    changes = models.JSONField(default=list, help_text="What changed since the version before, in sentences.")
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=150, help_text="Sign-in name or command.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"version {self.version}"


class InForce(models.Model):
    """The one row of what holds for the whole instance now. The gate reads it with every request."""

    registry_digest = models.CharField(max_length=64)
    registry = models.TextField(help_text="The active registry, in the form that the digest is made of.")
    policy_version = models.CharField(max_length=40)
    material_since = models.DateTimeField(
        null=True,
        help_text="When the last material version was published; grants and notices from before are stale.",
    )
    undecided_kept = models.BooleanField(
        db_default=True,
        help_text="Events of the undecided may be stored, or once were: the profile was not strict.",
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_in_force")]

    def __str__(self) -> str:
        return f"registry {self.registry_digest[:12]}, policy {self.policy_version}"


class SubjectView(models.Model):
    """That somebody looked at one subject in the admin: who, whom, on which page, when."""

    viewed_at = models.DateTimeField(auto_now_add=True)
    viewed_by = models.CharField(max_length=150, help_text="Sign-in name.")
    subject_kind = models.CharField(max_length=12, choices=SubjectKind, blank=True)
    subject = models.CharField(max_length=32, help_text="Pseudonym.")
    page = models.CharField(max_length=40)

    class Meta:
        ordering = ["-id"]
        verbose_name = "view of a subject"
        verbose_name_plural = "views of subjects"
        indexes = [models.Index(fields=["subject"], name="view_by_subject")]

    def __str__(self) -> str:
        return f"{self.viewed_by} looked at {self.subject_kind} {self.subject[:6]}"


class Scope(models.TextChoices):
    """What a key may do."""

    INGEST = "ingest", "Send events"
    CONSENT = "consent", "Show and set consent"
    REPORTS = "reports", "Read reports"
    HEARTBEAT = "heartbeat", "Send licence checks and heartbeats"


class Key(models.Model):
    """An API key. The key itself is shown once and never stored."""

    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False, help_text="How it begins, to tell keys apart.")
    scopes = ArrayField(models.CharField(max_length=12, choices=Scope))
    organization = models.CharField(
        max_length=32, blank=True, editable=False, help_text="Pseudonym; events of any other are refused."
    )
    is_publishable = models.BooleanField(
        "publishable", default=False, editable=False, help_text="Anybody may see it: a web page holds it."
    )
    origins = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        editable=False,
        help_text="Websites whose pages may send with it (publishable keys only).",
    )
    requests_per_second = models.PositiveIntegerField(
        null=True, blank=True, help_text="What it may send, 0 for no limit; empty for the instance's setting."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_publishable=False) | (~Q(origins=[]) & Q(scopes=["ingest"])),
                name="publishable_key_has_origins",
                violation_error_message="A publishable key needs an origin, and sends events only.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Tombstone(models.Model):
    """Events dated up to `until` (inclusive) under this name are refused for good: they were erased.

    The name is a subject's pseudonym, or the `anon:` form of a session that was seen with a user.
    """

    class Kind(models.TextChoices):
        ORGANIZATION = "organization", "Organization"
        USER = "user", "User"
        ANONYMOUS = "anonymous", "Session"

    kind = models.CharField(max_length=12, choices=Kind)
    subject = models.CharField(max_length=32)
    until = models.DateTimeField()
    user = models.CharField(max_length=32, blank=True, help_text="Whose session it was.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subject", "user"], name="one_tombstone_of_each")]
        indexes = [models.Index(fields=["user"], condition=~Q(user=""), name="tombstone_of_user")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject[:12]} until {self.until:%F %T}"


class ErasureRequest(models.Model):
    """An erasure that was asked for; `analytics/erasure/run.py` works it off and leaves the receipt."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=SubjectKind)
    pseudonym = models.CharField(max_length=32)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    is_withdrawal = models.BooleanField(
        "withdrawal", default=False, help_text="A withdrawal asked for it: licences and labels stay."
    )
    until = models.DateTimeField(help_text="What is dated or was received up to then is erased.")
    asked_at = models.DateTimeField()
    actor = models.CharField(max_length=150, help_text="Sign-in name, key name or command; never a raw id.")
    method = models.CharField(max_length=10, choices=Method)
    reason = models.CharField(max_length=500, blank=True)
    progress = models.JSONField(default=dict, help_text="Where to go on after an interruption.")
    problem = models.CharField(max_length=500, blank=True, help_text="Why it is not done yet.")
    problem_at = models.DateTimeField(null=True, help_text="When it was tried last, and met the problem.")
    receipt = models.JSONField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "erasure"
        permissions = [("request_erasure", "Can ask for erasures")]
        ordering = ["-id"]
        indexes = [models.Index(fields=["pseudonym", "kind"], name="erasure_by_subject")]
        constraints = [
            models.UniqueConstraint(
                fields=["pseudonym", "kind"], condition=Q(state="waiting"), name="one_waiting_erasure"
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(receipt__isnull=False, finished_at__isnull=False),
                name="done_erasure_has_receipt",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pseudonym[:6]} {self.state}"
