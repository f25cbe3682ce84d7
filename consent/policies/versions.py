"""Published policy versions: looked up, and compared with what is collected now."""

import re

from django.conf import settings

from consent.models import PolicyVersion
from consent.registry.differences import Change, CollectionTerms, changes
from consent.registry.registry import Registry

VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,39}")


def exists(version: str) -> bool:
    return VERSION.fullmatch(version) is not None and PolicyVersion.objects.filter(version=version).exists()


def last_published() -> PolicyVersion | None:
    return PolicyVersion.objects.order_by("-id").first()


def is_before_material(version: str) -> bool:
    """Whether a material version was published after this one."""
    shown = PolicyVersion.objects.filter(version=version).values_list("id", flat=True).first()
    return shown is not None and PolicyVersion.objects.filter(is_material=True, id__gt=shown).exists()


def changes_since(published: PolicyVersion | None, now: Registry) -> list[Change]:
    """How what `now` and the settings collect differs from the published version."""
    if published is None:
        return []
    before = CollectionTerms(published.registry, published.retention_months)
    return changes(before, CollectionTerms(now.content(), settings.EVENT_RETENTION_MONTHS))
