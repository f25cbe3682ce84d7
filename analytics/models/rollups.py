"""The tables of the roll-ups. They are not distributed on Citus; only `Group` and `Member` hold pseudonyms.

A *member* is one combination of user, organization, deployment type and internal use. Sets of people are
bitmaps of members' numbers, so that every filter is such a set too. A *group* is the same without the user.
"""

from django.db import models


class Mark(models.Model):
    """Rows of this quarter of an hour were written or deleted, in the transaction that wrote this."""

    quarter = models.IntegerField(help_text="Quarters of an hour since 1970.")

    class Meta:
        db_table = "analytics_mark"

    def __str__(self) -> str:
        return f"quarter {self.quarter}"


class RolledDay(models.Model):
    """A report day. While rows of it exist it is open; sealed, it is never built again."""

    class Phase(models.TextChoices):
        OPEN = "open", "Open"
        SEALED = "sealed", "Sealed"

    day = models.DateField(primary_key=True, help_text="In the zone `zone`.")
    state = models.CharField(max_length=6, choices=Phase, default=Phase.OPEN)
    zone = models.CharField(max_length=64, blank=True, help_text="REPORT_TIME_ZONE when it was built.")
    version = models.BigIntegerField(default=0, help_text="Another one with every build; 0: not built yet.")
    events = models.BigIntegerField(default=0)
    dimensions = models.TextField(
        blank=True, db_default="", help_text="By which it was counted, joined by commas (`layout.py`)."
    )
    built_at = models.DateTimeField(null=True)
    people = models.JSONField(null=True, help_text="Of a sealed day: the counts of people that were kept.")
    is_closed = models.BooleanField(
        db_default=False, help_text="No event enters it any more: it is sealed, or about to be."
    )

    class Meta:
        ordering = ["-day"]
        indexes = [models.Index(fields=["day"], condition=models.Q(is_closed=True), name="closed_days")]

    def __str__(self) -> str:
        return f"{self.day} {self.state}"


class RollUp(models.Model):
    """What was counted of one day: sets of people, counts or histograms, packed (`packing.py`)."""

    pk = models.CompositePrimaryKey("day", "kind")
    day = models.DateField()
    kind = models.CharField(max_length=24, db_collation="C")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.day} {self.kind}"


class Group(models.Model):
    """One organization, deployment type and internal use. Once forgotten, it keeps its number but no name."""

    id = models.AutoField(primary_key=True)
    organization_id = models.CharField(max_length=32, null=True, db_collation="C")  # noqa: DJ001
    deployment_type = models.CharField(max_length=11, db_collation="C")
    is_internal = models.BooleanField()
    version = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["version"], name="group_by_version")]
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "deployment_type", "is_internal"], name="one_group"
            )
        ]

    def __str__(self) -> str:
        return f"group {self.pk}"


class InternalUse(models.Model):
    """An organization that is marked as internal, or was, for roll-ups (`rollups/internal_use.py`)."""

    organization_id = models.CharField(primary_key=True, max_length=32, db_collation="C")
    since = models.DateTimeField(help_text="Events that arrived before may have said so themselves.")
    until = models.DateTimeField(null=True, help_text="When it was internal no longer; null while it is.")

    class Meta:
        db_table = "analytics_internaluse"

    def __str__(self) -> str:
        return f"organization {self.organization_id[:6]}"


class Member(models.Model):
    """One user in one group. Once forgotten (erased or pruned), it keeps its number: none is reused."""

    id = models.AutoField(primary_key=True)
    hash = models.BigIntegerField(
        null=True, unique=True, help_text="Of the combination, as `scan.py` makes it."
    )
    user_id = models.CharField(max_length=32, null=True, db_collation="C")  # noqa: DJ001
    group_id = models.IntegerField()
    person = models.IntegerField(help_text="The number of the user's first member; 0: nobody (`anon:…`).")
    first_seen_at = models.DateTimeField(null=True)
    first_login_at = models.DateTimeField(null=True)
    next_login_at = models.DateTimeField(null=True, help_text="The earliest sign-in after the first.")
    version = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["user_id"], name="member_by_user"),
            models.Index(fields=["version"], name="member_by_version"),
        ]

    def __str__(self) -> str:
        return f"member {self.pk}"
