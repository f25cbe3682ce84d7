"""The content of `/privacy/`, made from the active registry, the policies, the tables and the settings."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings

from analytics.storage.event_tables import COMMON_COLUMNS, TABLES
from consent.decisions.tombstones import ERASE
from consent.gate.rules import Tier
from consent.gate.switches import switches
from consent.models import PolicyVersion
from consent.policies.event_lifetime import months_kept
from consent.policies.in_force import in_force
from consent.registry.attributes import Attribute
from consent.registry.registry import Registry
from dashboards.views.privacy_traffic import RecentTraffic, recent_traffic
from dashboards.views.privacy_words import COLUMNS, EVENTS, NEVER, PROFILES

BLANK_LINE = re.compile(r"\n\s*\n")


class ListedAttribute(NamedTuple):
    """A declared attribute, in words."""

    name: str
    purpose: str
    why: str
    example: str
    allowed: str
    is_dimension: bool  # reports can be filtered by it


class ListedColumn(NamedTuple):
    name: str
    what: str


class EventKind(NamedTuple):
    """What an event of one table tells, and the columns that only this table has."""

    table: str
    title: str
    tells: str
    columns: list[ListedColumn]


class UndecidedRule(NamedTuple):
    """What is stored of those who have not decided, for one deployment type."""

    deployment: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class PrivacyContent:
    digest: str  # of the registry (SHA-256): names exactly this list
    policy_version: str  # in force
    policy_text: str
    paragraphs: Sequence[str]  # of the policy's text
    versions: Sequence[PolicyVersion]  # published, the newest first
    base_is_on: bool
    detailed_is_on: bool
    base: Sequence[ListedAttribute]
    detailed: Sequence[ListedAttribute]
    events: Sequence[EventKind]
    common: Sequence[ListedColumn]  # columns of every event
    never: Sequence[str]
    undecided: Sequence[UndecidedRule]
    months: int  # for which events are kept at least; at most one month longer
    erases: bool  # whether opting out erases what was stored before
    threshold: int  # reports hide groups of fewer people
    traffic: RecentTraffic


def privacy_content(registry: Registry) -> PrivacyContent:
    """All that the page says about this registry. Raises database errors."""
    in_effect = switches()
    attributes = registry.attributes.values()
    versions = list(PolicyVersion.objects.order_by("-id"))
    current = in_force().policy_version
    text = next((version.text for version in versions if version.version == current), "")
    return PrivacyContent(
        digest=registry.digest,
        policy_version=current,
        policy_text=text,
        paragraphs=[" ".join(part.split()) for part in BLANK_LINE.split(text) if part.strip()],
        versions=versions,
        base_is_on=in_effect.base,
        detailed_is_on=in_effect.detailed,
        base=[_listed(attribute) for attribute in attributes if attribute.tier == Tier.BASE],
        detailed=[_listed(attribute) for attribute in attributes if attribute.tier == Tier.DETAILED],
        events=_event_kinds(),
        common=_columns([*(name for name, _ in COMMON_COLUMNS), "received_at"]),
        never=NEVER,
        undecided=[
            UndecidedRule("Cloud", PROFILES[in_effect.cloud]),
            UndecidedRule("Self-hosted", PROFILES[in_effect.self_hosted]),
        ],
        months=months_kept(),
        erases=settings.ON_WITHDRAWAL == ERASE,
        threshold=settings.SUPPRESS_BELOW,
        traffic=recent_traffic(),
    )


def _event_kinds() -> list[EventKind]:
    return [
        EventKind(key, *EVENTS[key], _columns(name for name, _ in table.columns))
        for key, table in TABLES.items()
    ]


def _columns(names: Iterable[str]) -> list[ListedColumn]:
    return [ListedColumn(name, COLUMNS[name]) for name in names]


def _listed(attribute: Attribute) -> ListedAttribute:
    example = attribute.example
    shown = str(example).lower() if isinstance(example, bool) else str(example)
    return ListedAttribute(
        name=attribute.name,
        purpose=attribute.purpose,
        why=attribute.why,
        example=shown,
        allowed=_allowed(attribute),
        is_dimension=attribute.dimension,
    )


def _allowed(attribute: Attribute) -> str:
    """Which of its values are kept, in words."""
    if attribute.kind == "boolean":
        return "yes or no"
    if attribute.kind == "choice":
        listed = ", ".join(attribute.values)
        return f"one of: {listed}{', or another word for one' if attribute.spellings else ''}; else “other”"
    if attribute.kind == "text":
        return f"a text in the form of the example, at most {attribute.max_length} characters"
    kind = "whole number" if attribute.kind == "integer" else "number"
    return f"a {kind} from {attribute.minimum or 0:,.10g} to {attribute.maximum or 0:,.10g}"
