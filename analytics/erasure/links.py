"""The links between a user and the sessions and installations seen with them (`storage/seen_with.py`).

The functions are those of `Derived` in `derived.py`. A link that a later grant brought back stays.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from analytics.models import SeenWith
from consent.models import ErasureRequest, SubjectKind

NAMES = {("analytics_seen_with", "user_id"), ("analytics_seen_with", "name")}


def touched(cursor: Any, table: str, start: datetime, end: datetime) -> None:
    """Nothing: links are not made from rows."""


def erase(request: ErasureRequest) -> Mapping[str, int]:
    """Delete the user's links. Their sessions' tombstones say from now on whose these were."""
    if request.kind != SubjectKind.USER:
        return {}
    deleted, _ = _due(request).delete()
    return {SeenWith._meta.db_table: deleted} if deleted else {}


def is_left(request: ErasureRequest) -> bool:
    return request.kind == SubjectKind.USER and _due(request).exists()


def _due(request: ErasureRequest) -> Any:
    return SeenWith.objects.filter(user_id=request.pseudonym, recorded_at__lte=request.until)
