"""Packing a day: from its windows of rows to one content of each kind (listed in `rollups/layout.py`)."""

from collections.abc import Iterable, Sequence
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
    """Columns of all windows of a day, members by number, in small types."""

    member: NDArray[Any]
    person: NDArray[Any]
    group: NDArray[Any]
    key: NDArray[Any]
    slice: NDArray[Any]
    number: NDArray[Any]  # of events
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
    """Each kind's content. `cells` gives the cell of each group by the group's number. Empties `windows`."""
    divided = Divided(cells, *names.slices.kept(_events_of_slices(windows, names)))
    packed = {SLICES: pack([names.slices.dimensions, *divided.slices]), "active": _active(members)}
    activity = _joined(windows, members, [window.activity for window in windows], divided)
    packed |= _logins(activity, divided) | _sessions(activity, divided)
    present = [_present(activity)]
    # One table at a time: a large day's rows take much memory.
    rows = _joined(windows, members, [window.features for window in windows], divided)
    packed |= _features(rows, divided, list(names.features.numbers))
    present.append(_present(rows))
    rows = _joined(windows, members, [window.errors for window in windows], divided)
    packed |= _errors(rows, divided, list(names.errors.numbers))
    rows = _joined(windows, members, [window.timings for window in windows], divided)
    packed |= _timings(rows, divided, list(names.timings.numbers))
    rows = _joined(windows, members, [window.endpoints for window in windows], divided)
    windows.clear()
    packed |= _endpoints(rows, divided, list(names.endpoints.numbers))
    present.append(_present(rows))
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
        member=members.number.astype(np.int32)[place],
        person=members.person.astype(np.int32)[place],
        group=members.group.astype(np.int32)[place],
        key=column(part.key for part in columns),
        slice=divided.place.astype(np.int32)[column(part.slice for part in columns)],
        number=column(part.count for part in columns),
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
        pairs, counts = np.unique(_both(rows.slice[chosen], rows.member[chosen]), return_counts=True)
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


def _visits(at: NDArray[Any], **by: NDArray[Any]) -> Arrays:
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
    by = {"key": rows.key, "group": rows.group, "slice": rows.slice}
    return {
        **_people("feature", rows, actions, divided),
        **_people("page", views, pages, divided, with_count=True),
        **_by_cell_and_group("uses", actions, {"count": rows.number}, by, divided),
    }


def _places(names: list[tuple[str, ...]], ordered: list[tuple[str, ...]]) -> NDArray[Any]:
    """The place of each name among the ordered ones, -1 where it is none of them."""
    place = {name: number for number, name in enumerate(ordered)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int32)


def _by_name(rows: DayColumns, given: list[tuple[str, ...]]) -> tuple[DayColumns, list[tuple[str, ...]]]:
    """The rows by the names in order, and these."""
    names = sorted(given)
    return rows._replace(key=_places(given, names)[rows.key]), names


def _both(key: NDArray[Any], member: NDArray[Any]) -> Numbers:
    both: Numbers = key.astype(np.int64) << KEY_SHIFT | member
    return both


def _pairs(key: NDArray[Any], member: NDArray[Any]) -> Numbers:
    pairs: Numbers = distinct(_both(key, member))
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
            used, key = _used(key, len(names) * len(divided.slices))
            places = (divmod(both, len(divided.slices)) for both in used.tolist())
            names = [(*names[name], str(place)) for name, place in places]
        pairs = _pairs(key, member)
        arrays = {}
        if with_count:
            which = np.searchsorted(pairs, _both(key, member))
            arrays["count"] = _summed(which, rows.number[named], len(pairs))
        packed[kind] = pack(names, _bits(pairs), **arrays)
    return packed


def _by_cell_and_group(
    kind: str, names: list[tuple[str, ...]], values: Arrays, by: Arrays, divided: Divided
) -> dict[str, bytes]:
    """The sums of these values over `by`, in every form in which they are kept. Last in `by` is the slice."""
    sums, packed = _sums(values, by), {}
    *columns, of_slice = by
    if True in divided.kinds:
        forms = _forms(kind, names, sums, tuple(by), divided)
        packed = {sliced(one): content for one, content in forms.items()}
        sums = _summed_over({name: sums[name] for name in sums if name != of_slice}, columns)
    else:
        del sums[of_slice]
    return packed | _forms(kind, names, sums, columns, divided)


def _forms(
    kind: str, names: list[tuple[str, ...]], sums: Arrays, by: Sequence[str], divided: Divided
) -> dict[str, bytes]:
    """Sums by group as they are kept: by cell as one content, by group in pieces."""
    of_cells = _summed_over(sums | {"group": divided.cells[sums["group"]]}, by)
    return {kind: pack(names, b"", **of_cells), **_in_pieces(kind, names, sums)}


def _summed_over(sums: Arrays, by: Sequence[str]) -> Arrays:
    """The sums of all other arrays over these."""
    values = {name: array for name, array in sums.items() if name not in by}
    return _sums(values, {name: sums[name] for name in by})


def _sums(values: Arrays, by: Arrays) -> Arrays:
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
    piece = (arrays["group"] % PIECES).astype(np.uint8)
    order = np.argsort(piece, kind="stable")
    ends = np.cumsum(np.bincount(piece, minlength=PIECES))
    ordered = {name: values[order] for name, values in arrays.items()}
    for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        if start < end:
            of_piece = {name: values[start:end] for name, values in ordered.items()}
            used, of_piece["key"] = _used(of_piece["key"], len(names))
            packed[piece_of(kind, number)] = pack([names[place] for place in used.tolist()], b"", **of_piece)
    return packed


def _used(keys: NDArray[Any], length: int) -> tuple[Numbers, Numbers]:
    """Which of so many keys occur, and each one's place among these."""
    used = np.flatnonzero(np.bincount(keys, minlength=length))
    place = np.zeros(length, dtype=np.int64)
    place[used] = np.arange(len(used))
    return used, place[keys]


def _summed(which: NDArray[Any], counts: NDArray[Any], length: int) -> Numbers:
    return np.bincount(which, weights=counts, minlength=length).astype(np.int64)


def _endpoints(rows: DayColumns, divided: Divided, given: list[tuple[str, ...]]) -> dict[str, bytes]:
    rows, names = _by_name(rows, given)
    packed = _people("endpoint", rows, names, divided)
    known = rows.own["is_known"]
    values = {"count": rows.number, "known": rows.number * known, "total_ms": rows.own["total_ms"]}
    by = {"key": rows.key, "group": rows.group, "status": rows.own["status"], "slice": rows.slice}
    packed |= _by_cell_and_group("requests", names, values, by, divided)
    values = {"count": rows.number[known]}
    by = {"key": rows.key, "bucket": rows.own["bucket"], "group": rows.group, "slice": rows.slice}
    by = {name: column[known] for name, column in by.items()}
    return packed | _by_cell_and_group("latency", names, values, by, divided)


def _errors(rows: DayColumns, divided: Divided, given: list[tuple[str, ...]]) -> dict[str, bytes]:
    if not given:
        return {}
    rows, names = _by_name(rows, given)
    by = {"key": rows.key, "group": rows.group, "slice": rows.slice}
    return {
        **_people("error", rows, names, divided),
        **_by_cell_and_group("errors", names, {"count": rows.number}, by, divided),
    }


def _timings(rows: DayColumns, divided: Divided, given: list[tuple[str, ...]]) -> dict[str, bytes]:
    if not given:
        return {}
    rows, names = _by_name(rows, given)
    sums = {name: rows.own[name] for name in ("total_ms", "with_memory", "memory_mb")}
    calls = {"count": rows.number, "known": rows.number, **sums}
    no_status = np.zeros(len(rows.key), dtype=np.int32)
    by = {"key": rows.key, "group": rows.group, "status": no_status, "slice": rows.slice}
    durations = {"key": rows.key, "bucket": rows.own["bucket"], "group": rows.group, "slice": rows.slice}
    return {
        **_people("timing", rows, names, divided),
        **_by_cell_and_group("timings", names, calls, by, divided),
        **_by_cell_and_group("durations", names, {"count": rows.number}, durations, divided),
    }
