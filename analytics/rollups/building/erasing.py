"""What erasure does to roll-ups: members leave every set at once, and their days are built again.

The functions are those of `Derived` in `analytics/erasure/derived.py`. They wait for any build that read the
subject's rows before they were deleted. Numbers stay, without a name, and are never given out again.
"""

import secrets
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from pyroaring import BitMap, BitMap64

from analytics.models import RolledDay, RollUp
from analytics.report_days import bounds
from analytics.rollups.building.marks import mark
from analytics.rollups.building.members import VERSIONS
from analytics.rollups.layout import KEY_SHIFT, KINDS_OF_PEOPLE, SETS_OF_MEMBERS, sliced
from analytics.rollups.numbers import Numbers
from analytics.rollups.packing import pack, unpack
from consent.models import ErasureRequest, SubjectKind
from postgres import locks

NAMES = {("analytics_member", "user_id"), ("analytics_group", "organization_id")}
OF_USER = "SELECT id FROM analytics_member WHERE user_id = %s"
OF_ORGANIZATIONS = """
SELECT id FROM analytics_member
 WHERE group_id IN (SELECT id FROM analytics_group WHERE organization_id = ANY(%s)) AND user_id IS NOT NULL
"""
FORGET_MEMBERS = """
UPDATE analytics_member
   SET user_id = NULL, hash = NULL, first_seen_at = NULL, first_login_at = NULL, next_login_at = NULL,
       version = nextval('analytics_rollup_version')
 WHERE id = ANY(%s)
"""
FORGET_GROUPS = """
UPDATE analytics_group SET organization_id = NULL, version = nextval('analytics_rollup_version')
 WHERE organization_id = ANY(%s)
"""
LEFT_OF_USER = """
SELECT EXISTS (SELECT FROM analytics_member
                WHERE user_id = %s AND (first_seen_at IS NULL OR first_seen_at <= %s))
"""
LEFT_OF_ORGANIZATION = """
SELECT EXISTS (SELECT FROM analytics_group WHERE organization_id = %(name)s)
   AND NOT EXISTS (SELECT FROM analytics_user_activity WHERE organization_id = %(name)s)
   AND NOT EXISTS (SELECT FROM analytics_feature_usage WHERE organization_id = %(name)s)
   AND NOT EXISTS (SELECT FROM analytics_endpoint_usage WHERE organization_id = %(name)s)
"""


def touched(cursor: Any, table: str, start: datetime, end: datetime) -> None:
    """Rows dated within [start, end) are deleted in this transaction."""
    mark(cursor, start, end)


def erase(request: ErasureRequest) -> Mapping[str, int]:
    """Take the subject out of every set of people, and forget its name."""
    with transaction.atomic(using="analytics"), connections["analytics"].cursor() as cursor:
        if request.kind == SubjectKind.ORGANIZATION:
            return forget_organizations(cursor, [request.pseudonym])
        return _forget(cursor, OF_USER, request.pseudonym)


def forget_organizations(cursor: CursorWrapper, organizations: list[str]) -> Mapping[str, int]:
    """The same for organizations, within the caller's transaction."""
    erased = _forget(cursor, OF_ORGANIZATIONS, organizations)
    cursor.execute(FORGET_GROUPS, [organizations])
    return erased | ({"analytics_group": cursor.rowcount} if cursor.rowcount else {})


def _forget(cursor: CursorWrapper, which: str, names: str | list[str]) -> dict[str, int]:
    cursor.execute(locks.TAKE, locks.ROLL_UP_BUILD)
    cursor.execute(locks.TAKE, locks.ROLL_UP_MEMBERS)
    cursor.execute(which, [names])
    gone = np.array([number for (number,) in cursor.fetchall()], dtype=np.int64)
    if not len(gone):
        return {}
    _take_out_everywhere(cursor, gone)
    cursor.execute(FORGET_MEMBERS, [gone.tolist()])
    return {"analytics_member": len(gone)}


def _take_out_everywhere(cursor: CursorWrapper, gone: Numbers) -> None:
    """Take them out of every day that has them, and mark the open ones: remaining rows get new members."""
    active = RollUp.objects.filter(kind="active")
    days = RolledDay.objects.filter(events__gt=0, day__in=active.values("day")).select_for_update()
    is_open = {day.day: day.state == RolledDay.Phase.OPEN for day in days}
    bits = BitMap(gone.astype(np.uint32))
    for day, content in active.filter(day__in=is_open).values_list("day", "content").iterator(chunk_size=10):
        if BitMap.deserialize(unpack(bytes(content))[1]) & bits:
            _take_out(day, gone)
            if is_open[day]:
                mark(cursor, *bounds(day, day))
            RolledDay.objects.filter(day=day).update(version=secrets.randbelow(VERSIONS))


def _take_out(day: date, gone: Numbers) -> None:
    kinds = [*KINDS_OF_PEOPLE, *map(sliced, KINDS_OF_PEOPLE)]
    contents = RollUp.objects.filter(day=day, kind__in=kinds)
    for kind, content in contents.values_list("kind", "content"):
        names, bitmap, arrays = unpack(bytes(content))
        if kind in ("session", sliced("session")):
            members = arrays["member"]
        else:
            members, bitmap = _without(BitMap if kind in SETS_OF_MEMBERS else BitMap64, bitmap, gone)
        stays = ~np.isin(members, gone)
        content = pack(names, bitmap, **{name: values[stays] for name, values in arrays.items()})
        RollUp.objects.filter(day=day, kind=kind).update(content=content)


def _without(kind: type[BitMap | BitMap64], bitmap: bytes, gone: Numbers) -> tuple[Numbers, bytes]:
    """The members of a bitmap, in its order, and the bitmap without the members that are gone."""
    entries = np.array(kind.deserialize(bitmap).to_array())
    members = (entries & ((1 << KEY_SHIFT) - 1)).astype(np.int64)
    return members, kind(entries[~np.isin(members, gone)]).serialize()


def is_left(request: ErasureRequest) -> bool:
    """Whether the name is still here although it should be gone: newer rows may keep it."""
    with connections["analytics"].cursor() as cursor:
        if request.kind == SubjectKind.USER:
            cursor.execute(LEFT_OF_USER, [request.pseudonym, request.until])
        else:
            cursor.execute(LEFT_OF_ORGANIZATION, {"name": request.pseudonym})
        return bool(cursor.fetchone()[0])
