"""The fixed vocabularies of consent: states, tiers, kinds of subject, deployment types, methods."""

from django.db import models


class State(models.TextChoices):
    """What a subject decided, labelled as on the dashboards.

    Nobody decides to be stale: a material change makes a grant stale, and it counts as denied until it is
    given again.
    """

    UNSET = "unset", "Not decided"
    GRANTED = "granted", "Opted in"
    DENIED = "denied", "Opted out"
    STALE = "stale", "To be asked again"


DECIDABLE = (State.UNSET, State.GRANTED, State.DENIED)


class Level(models.TextChoices):
    """The highest tier that a subject's own decision allows.

    `account` is for organizations: detailed events, and staff may see its own totals, however few its people.
    """

    NOTHING = "nothing", "Nothing"
    BASE = "base", "Base"
    DETAILED = "detailed", "Detailed"
    ACCOUNT = "account", "Account reports"


GRANTABLE = (Level.DETAILED, Level.ACCOUNT)


class SubjectKind(models.TextChoices):
    """Whose consent a decision is about."""

    ORGANIZATION = "organization", "Organization"
    USER = "user", "User"


class DeploymentType(models.TextChoices):
    """How an organization runs the product. Its consent profile follows from this."""

    CLOUD = "cloud", "Cloud"
    SELF_HOSTED = "self-hosted", "Self-hosted"
    UNKNOWN = "unknown", "Not reported"


class Method(models.TextChoices):
    """How a decision was recorded."""

    ADMIN = "admin", "Admin"
    API = "api", "API"
    COMMAND = "command", "Command"
    LINK = "link", "Link"
    SIGNAL = "signal", "Signal"
