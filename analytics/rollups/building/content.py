"""Packing a day: from its windows of rows to one content of each kind (listed in `rollups/layout.py`)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap, BitMap64

from analytics.rollups.building.members import NumberedMembers
from analytics.rollups.building.scan import Columns, DayNames, Window, counted
from analytics.rollups.building.slicing import Slice
from analytics.rollups.layout import KEY_SHIFT, PIECES, SLICES, piece_of, sliced
from analytics.rollups.numbers import NOTHING, Numbers, distinct
from analytics.rollups.packing import pack

PAGE_VIEW = "page_view"
Arrays = dict[str, NDArray[Any]]


class DayColumns(NamedTuple):
    """Columns of all windows of a day, members by number."""

    member: Numbers
    person: Numbers
    group: Numbers
    key: Numbers
    slice: Numbers
    number: Numbers  # of events
    own: Arrays


@dataclass(frozen=True)
class Divided:
    """How a day is divided: into cells (by the group's number), and into slices."""

    cells: Numbers
    slices: list[Slice]
    place: Numbers  # among the slices, of each number that rows were read with

    @property
    def kinds(self) -> list[bool]:
        """What contents are made for: all slices together (False), and each (True) if there are several."""
        return [False, True] if len(self.slices) > 1 else [False]


def contents(
    windows: list[Window], members: NumberedMembers, cells: Numbers, names: DayNames
) -> dict[str, bytes]:
    """Each kind's content. `cells` gives the cell of each group by the group's number."""
    divided = Divided(cells, *names.slices.kept(_events_of_slices(windows, names)))
    packed = {SLICES: pack([names.slices.dimensions, *divided.slices]), "active": _active(members)}
    activity = _joined(windows, members, [window.activity for window in windows], divided)
    packed |= _logins(activity, divided) | _sessions(activity, divided)
    present = [_present(activity)]
    # One table at a time: a large day's rows take much memory.
    rows = _joined(windows, members, [window.features for window in windows], divided)
    packed |= _features(rows, divided, list(names.features.numbers))
    present.append(_present(rows))
    rows = _joined(windows, members, [window.endpoints for window in windows], divided)
    packed |= _endpoints(rows, divided, list(names.endpoints.numbers))
    present.append(_present(rows))
    rows = _joined(windows, members, [window.errors for window in windows], divided)
    packed |= _errors(rows, divided, list(names.errors.numbers))
    rows = _joined(windows, members, [window.timings for window in windows], divided)
    packed |= _timings(rows, divided, list(names.timings.numbers))
    if True in divided.kinds:
        packed[sliced("active")] = pack(bitmap=_bits(distinct(np.concatenate(present))))
    return packed


def _events_of_slices(windows: list[Window], names: DayNames) -> Numbers:
    """How many events each slice has, by the number that it was read with."""
    events = np.zeros(len(names.slices.numbers), dtype=np.int64)
    for window in windows:
        for columns in (window.activity, window.features, window.endpoints):
            events += _summed(columns.slice, columns.count, len(events))
    return events


def _joined(
    windows: list[Window], members: NumberedMembers, columns: list[Columns], divided: Divided
) -> DayColumns:
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
        slice=divided.place[column(part.slice for part in columns)],
        number=column(part.count for part in columns).astype(np.int64),
        own=own,
    )


def _active(members: NumberedMembers) -> bytes:
    people = members.number[(members.number > 0) & (members.person > 0)]
    return pack(bitmap=BitMap(np.sort(people).astype(np.uint32).data).serialize())


def _present(rows: DayColumns) -> Numbers:
    """The people of these rows, with their slices."""
    named = rows.person > 0
    return _pairs(rows.slice[named], rows.member[named])


def _logins(rows: DayColumns, divided: Divided) -> dict[str, bytes]:
    chosen = rows.own["is_login"]
    members, counts = np.unique(rows.member[chosen], return_counts=True)
    packed = {"login": pack(bitmap=BitMap(members.astype(np.uint32).data).serialize(), count=counts)}
    if True in divided.kinds:
        pairs, counts = np.unique(rows.slice[chosen] << KEY_SHIFT | rows.member[chosen], return_counts=True)
        packed[sliced("login")] = pack(bitmap=_bits(pairs), count=counts)
    return packed


def logins(windows: list[Window], numbered: NumberedMembers) -> tuple[Numbers, Numbers]:
    """Every sign-in of a day: members and instants, microseconds since 1970."""
    members, at = [NOTHING], [NOTHING]
    for window in windows:
        chosen = window.activity.own["is_login"]
        number = numbered.number[numbered.places(window.hashes)[window.activity.member[chosen]]]
        members.append(number[number > 0])
        at.append(window.activity.own["at"][chosen][number > 0])
    return np.concatenate(members), np.concatenate(at)


def _sessions(rows: DayColumns, divided: Divided) -> dict[str, bytes]:
    inside = rows.own["session"] != 0
    columns = (rows.own["session"], rows.member, rows.slice, rows.own["at"])
    session, member, of_slice, at = (column[inside] for column in columns)
    packed = {"session": pack((), b"", **_visits(at, session=session, member=member))}
    if True in divided.kinds:
        visits = _visits(at, session=session, member=member, slice=of_slice)
        packed[sliced("session")] = pack((), b"", **visits)
    return packed


def _visits(at: Numbers, **by: Numbers) -> Arrays:
    """The first and last event of each combination."""
    columns = [at, *reversed(by.values())]
    order = np.lexsort(columns)
    at, *ordered = (column[order] for column in columns)
    begins = np.ones(len(at), dtype=np.bool_)
    begins[1:] = np.any([column[1:] != column[:-1] for column in ordered], axis=0)
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(at)) - 1 if len(starts) else starts
    combinations = zip(by, reversed(ordered), strict=True)
    return {name: column[starts] for name, column in combinations} | {
        "first_us": at[starts],
        "length_us": at[ends] - at[starts],
    }


def _features(rows: DayColumns, divided: Divided, names: list[tuple[str, ...]]) -> dict[str, bytes]:
    actions = sorted({name[:2] for name in names})
    pages = sorted({name[2:] for name in names if name[0] == PAGE_VIEW and name[2]})
    action_of = _places([name[:2] for name in names], actions)
    page_of = _places([name[2:] if name[0] == PAGE_VIEW else () for name in names], pages)
    page = page_of[rows.key]
    viewed = page >= 0
    columns = (rows.member, rows.person, rows.group, page, rows.slice, rows.number)
    member, person, group, page, of_slice, number = (column[viewed] for column in columns)
    views = DayColumns(member, person, group, page, of_slice, number, {})
    rows = rows._replace(key=action_of[rows.key])
    uses = _sums({"count": rows.number}, key=rows.key, group=rows.group, slice=rows.slice)
    return {
        **_people("feature", rows, actions, divided),
        **_people("page", views, pages, divided, with_count=True),
        **_by_cell_and_group("uses", actions, uses, ("key", "group"), divided),
    }


def _places(names: list[tuple[str, ...]], ordered: list[tuple[str, ...]]) -> Numbers:
    """The place of each name among the ordered ones, -1 where it is none of them."""
    place = {name: number for number, name in enumerate(ordered)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def _by_name(rows: DayColumns, given: list[tuple[str, ...]]) -> tuple[DayColumns, list[tuple[str, ...]]]:
    """The rows by the names in order, and these."""
    names = sorted(given)
    return rows._replace(key=_places(given, names)[rows.key]), names


def _pairs(key: Numbers, member: Numbers) -> Numbers:
    pairs: Numbers = distinct(key << KEY_SHIFT | member)
    return pairs


def _bits(pairs: Numbers) -> bytes:
    return BitMap64(pairs.astype(np.uint64).data).serialize()


def _people(
    kind: str, rows: DayColumns, names: list[tuple[str, ...]], divided: Divided, *, with_count: bool = False
) -> dict[str, bytes]:
    """Who there is of each name; with_count: and how often."""
    named = rows.person > 0
    key, of_slice, member = rows.key[named], rows.slice[named], rows.member[named]
    packed = {}
    for by_slice in divided.kinds:
        if by_slice:
            kind, key = sliced(kind), key * len(divided.slices) + of_slice
            used = distinct(key)
            places = (divmod(both, len(divided.slices)) for both in used.tolist())
            names = [(*names[name], str(place)) for name, place in places]
            key = np.searchsorted(used, key)
        pairs = _pairs(key, member)
        arrays = {}
        if with_count:
            which = np.searchsorted(pairs, key << KEY_SHIFT | member)
            arrays["count"] = _summed(which, rows.number[named], len(pairs))
        packed[kind] = pack(names, _bits(pairs), **arrays)
    return packed


def _by_cell_and_group(
    kind: str, names: list[tuple[str, ...]], finest: Arrays, by: tuple[str, ...], divided: Divided
) -> dict[str, bytes]:
    """The sums of `finest`, which are by group and slice as well, in every form in which they are kept."""
    packed: dict[str, bytes] = {}
    for by_slice in divided.kinds:
        columns = (*by, "slice") if by_slice else by
        of_groups = _summed_by(finest, columns)
        of_cells = _summed_by(of_groups | {"group": divided.cells[of_groups["group"]]}, columns)
        contents = {kind: pack(names, b"", **of_cells), **_in_pieces(kind, names, of_groups)}
        packed |= {sliced(one) if by_slice else one: content for one, content in contents.items()}
    return packed


def _summed_by(arrays: Arrays, by: tuple[str, ...]) -> Arrays:
    """The sums of all other arrays over these, without what would be one by slice only."""
    values = {name: array for name, array in arrays.items() if name not in (*by, "slice")}
    return _sums(values, **{name: arrays[name] for name in by})


def _sums(values: Arrays, **by: Numbers) -> Arrays:
    """The combinations of `by`, ascending, and the sum of each of the values."""
    combinations, _, which = counted(*by.values())
    arrays: Arrays = dict(zip(by, combinations, strict=True))
    for name, column in values.items():
        sums = np.bincount(which, weights=column, minlength=len(combinations[0]))
        arrays[name] = sums if column.dtype.kind == "f" else sums.astype(np.int64)
    return arrays


def _in_pieces(kind: str, names: list[tuple[str, ...]], arrays: Arrays) -> dict[str, bytes]:
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


def _summed(which: NDArray[Any], counts: NDArray[Any], length: int) -> Numbers:
    return np.bincount(which, weights=counts, minlength=length).astype(np.int64)


def _endpoints(rows: DayColumns, divided: Divided, given: list[tuple[str, ...]]) -> dict[str, bytes]:
    rows, names = _by_name(rows, given)
    by = {"key": rows.key, "group": rows.group, "slice": rows.slice}
    known = rows.own["is_known"] > 0
    requests = _sums(
        {"count": rows.number, "known": rows.number * known, "total_ms": rows.own["total_ms"]},
        status=rows.own["status"].astype(np.int64),
        **by,
    )
    latency = _sums(
        {"count": rows.number[known]},
        bucket=rows.own["bucket"][known].astype(np.int64),
        **{name: column[known] for name, column in by.items()},
    )
    return {
        **_people("endpoint", rows, names, divided),
        **_by_cell_and_group("requests", names, requests, ("key", "group", "status"), divided),
        **_by_cell_and_group("latency", names, latency, ("key", "bucket", "group"), divided),
    }


def _errors(rows: DayColumns, divided: Divided, given: list[tuple[str, ...]]) -> dict[str, bytes]:
    if not given:
        return {}
    rows, names = _by_name(rows, given)
    counts = _sums({"count": rows.number}, key=rows.key, group=rows.group, slice=rows.slice)
    return {
        **_people("error", rows, names, divided),
        **_by_cell_and_group("errors", names, counts, ("key", "group"), divided),
    }


def _timings(rows: DayColumns, divided: Divided, given: list[tuple[str, ...]]) -> dict[str, bytes]:
    if not given:
        return {}
    rows, names = _by_name(rows, given)
    by = {"key": rows.key, "group": rows.group, "slice": rows.slice}
    sums = {name: rows.own[name] for name in ("total_ms", "with_memory", "memory_mb")}
    no_status = np.zeros(len(rows.key), dtype=np.int64)
    calls = _sums({"count": rows.number, "known": rows.number, **sums}, status=no_status, **by)
    durations = _sums({"count": rows.number}, bucket=rows.own["bucket"].astype(np.int64), **by)
    return {
        **_people("timing", rows, names, divided),
        **_by_cell_and_group("timings", names, calls, ("key", "group", "status"), divided),
        **_by_cell_and_group("durations", names, durations, ("key", "bucket", "group"), divided),
    }
