"""Packing a day: from its windows of rows to one content of each kind (listed in `rollups/layout.py`)."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap, BitMap64

from analytics.rollups.building.members import NumberedMembers
from analytics.rollups.building.scan import Columns, DayNames, Window, counted
from analytics.rollups.layout import KEY_SHIFT, PIECES, piece_of
from analytics.rollups.numbers import NOTHING, Numbers, distinct
from analytics.rollups.packing import pack

PAGE_VIEW = "page_view"


class DayColumns(NamedTuple):
    """Columns of all windows of a day, members by number."""

    member: Numbers
    person: Numbers
    group: Numbers
    key: Numbers
    number: Numbers  # of events
    own: dict[str, NDArray[Any]]


def contents(
    windows: list[Window], members: NumberedMembers, cells: Numbers, names: DayNames
) -> dict[str, bytes]:
    """Each kind's content. `cells` gives the cell of each group by the group's number."""
    packed = {"active": _active(members)}
    activity = _joined(windows, members, [window.activity for window in windows])
    packed |= {"login": _logins(activity), "session": _sessions(activity)}
    # One table at a time: a large day's rows take much memory.
    rows = _joined(windows, members, [window.features for window in windows])
    packed |= _features(rows, cells, list(names.features.numbers))
    rows = _joined(windows, members, [window.endpoints for window in windows])
    return packed | _endpoints(rows, cells, list(names.endpoints.numbers))


def _joined(windows: list[Window], members: NumberedMembers, columns: list[Columns]) -> DayColumns:
    """The rows of all windows, without members whose rows have been deleted since."""
    places = [
        members.places(window.hashes)[part.member] for window, part in zip(windows, columns, strict=True)
    ]
    place = np.concatenate([NOTHING, *places])
    is_numbered = members.number[place] > 0
    place = place[is_numbered]

    def column(parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        joined: NDArray[Any] = np.concatenate(list(parts))[is_numbered]
        return joined

    own = {name: column(part.own[name] for part in columns) for name in (columns[0].own if columns else ())}
    return DayColumns(
        member=members.number[place],
        person=members.person[place],
        group=members.group[place],
        key=column(part.key for part in columns).astype(np.int64),
        number=column(part.count for part in columns).astype(np.int64),
        own=own,
    )


def _active(members: NumberedMembers) -> bytes:
    people = members.number[(members.number > 0) & (members.person > 0)]
    return pack(bitmap=BitMap(np.sort(people).astype(np.uint32).data).serialize())


def _logins(rows: DayColumns) -> bytes:
    members, counts = np.unique(rows.member[rows.own["is_login"]], return_counts=True)
    return pack(bitmap=BitMap(members.astype(np.uint32).data).serialize(), count=counts)


def logins(windows: list[Window], numbered: NumberedMembers) -> tuple[Numbers, Numbers]:
    """Every sign-in of a day: members and instants, microseconds since 1970."""
    rows = _joined(windows, numbered, [window.activity for window in windows])
    chosen = rows.own["is_login"]
    return rows.member[chosen], rows.own["at"][chosen]


def _sessions(rows: DayColumns) -> bytes:
    inside = rows.own["session"] != 0
    session, member, at = rows.own["session"][inside], rows.member[inside], rows.own["at"][inside]
    order = np.lexsort((at, member, session))
    session, member, at = session[order], member[order], at[order]
    begins = np.ones(len(session), dtype=np.bool_)
    begins[1:] = (session[1:] != session[:-1]) | (member[1:] != member[:-1])
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(session)) - 1 if len(starts) else starts
    return pack(
        session=session[starts], member=member[starts], first_us=at[starts], length_us=at[ends] - at[starts]
    )


def _features(rows: DayColumns, cells: Numbers, names: list[tuple[str, ...]]) -> dict[str, bytes]:
    actions = sorted({name[:2] for name in names})
    pages = sorted({name[2:] for name in names if name[0] == PAGE_VIEW and name[2]})
    action_of = _places([name[:2] for name in names], actions)
    page_of = _places([name[2:] if name[0] == PAGE_VIEW else () for name in names], pages)
    by_action = rows._replace(key=action_of[rows.key])
    page = page_of[rows.key]
    viewed = (page >= 0) & (rows.person > 0)
    views = _pairs(page[viewed], rows.member[viewed])
    places = np.searchsorted(views, page[viewed] << KEY_SHIFT | rows.member[viewed])
    count = np.bincount(places, weights=rows.number[viewed], minlength=len(views)).astype(np.int64)
    return {
        "feature": _people(by_action, actions),
        "page": pack(pages, BitMap64(views.astype(np.uint64).data).serialize(), count=count),
        "uses": pack(actions, b"", **_uses(by_action, cells[rows.group])),
        **_in_pieces("uses", actions, _uses(by_action, rows.group)),
    }


def _places(names: list[tuple[str, ...]], ordered: list[tuple[str, ...]]) -> Numbers:
    """The place of each name among the ordered ones, -1 where it is none of them."""
    place = {name: number for number, name in enumerate(ordered)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def _pairs(key: Numbers, member: Numbers) -> Numbers:
    pairs: Numbers = distinct(key << KEY_SHIFT | member)
    return pairs


def _people(rows: DayColumns, names: list[tuple[str, ...]]) -> bytes:
    named = rows.person > 0
    pairs = _pairs(rows.key[named], rows.member[named])
    return pack(names, BitMap64(pairs.astype(np.uint64).data).serialize())


def _in_pieces(kind: str, names: list[tuple[str, ...]], arrays: dict[str, NDArray[Any]]) -> dict[str, bytes]:
    """The same by group, in pieces, so that an organization's part is found without reading all of it."""
    packed = {}
    for piece in range(PIECES):
        inside = arrays["group"] % PIECES == piece
        if inside.any():
            used = distinct(arrays["key"][inside])
            piece_arrays = {name: values[inside] for name, values in arrays.items()}
            piece_arrays["key"] = np.searchsorted(used, piece_arrays["key"])
            packed[piece_of(kind, piece)] = pack([names[place] for place in used.tolist()], **piece_arrays)
    return packed


def _uses(rows: DayColumns, group: Numbers) -> dict[str, NDArray[Any]]:
    (key, group), _, which = counted(rows.key, group)
    return {"key": key, "group": group, "count": _summed(which, rows.number, len(key))}


def _summed(which: Numbers, counts: Numbers, length: int) -> Numbers:
    return np.bincount(which, weights=counts, minlength=length).astype(np.int64)


def _endpoints(rows: DayColumns, cells: Numbers, given: list[tuple[str, ...]]) -> dict[str, bytes]:
    names = sorted(given)
    rows = rows._replace(key=_places(given, names)[rows.key])
    packed = {"endpoint": _people(rows, names)}
    for kind, count in (("requests", _requests), ("latency", _latency)):
        packed[kind] = pack(names, b"", **count(rows, cells[rows.group]))
        packed |= _in_pieces(kind, names, count(rows, rows.group))
    return packed


def _requests(rows: DayColumns, group: Numbers) -> dict[str, NDArray[Any]]:
    (key, by, status), _, which = counted(rows.key, group, rows.own["status"])
    known = _summed(which, rows.number * rows.own["is_known"], len(key))
    total = np.bincount(which, weights=rows.own["total_ms"], minlength=len(key))
    count = _summed(which, rows.number, len(key))
    return {"key": key, "group": by, "status": status, "count": count, "known": known, "total_ms": total}


def _latency(rows: DayColumns, group: Numbers) -> dict[str, NDArray[Any]]:
    known = rows.own["is_known"] > 0
    (key, bucket, by), _, which = counted(rows.key[known], rows.own["bucket"][known], group[known])
    count = _summed(which, rows.number[known], len(key))
    return {"key": key, "group": by, "bucket": bucket, "count": count}
