"""The rules of suppression, on bare numbers.

A group of 1 to `SUPPRESS_BELOW` - 1 people is *few*, and so is one that everybody left by withdrawing. Few
are marked FEW and print as "<5"; what belongs to them, or would give them away by subtraction, is marked
HIDDEN. A group of none is shown.
"""

from collections.abc import Callable, Iterable, Sequence

from analytics.reports.cells import Compared, Count, Deserted, Mark, Measure, exact
from analytics.small_groups import enough, too_few

Marks = list[Mark | None]  # None: the number may be shown


def few(people: Count | float | None) -> bool:
    """Whether this many people are too few to be shown; or all gone, for there may have been few of them."""
    if isinstance(people, Deserted):
        return True
    return isinstance(people, int | float) and too_few(people)


def shown(people: Count) -> Count:
    """The count, or FEW."""
    return Mark.FEW if few(people) else people


def marked(value: Count, mark: Mark | None) -> Count:
    return value if mark is None else mark


def hidden_measure(value: Measure, hide: bool) -> Measure:
    return Mark.HIDDEN if hide else value


def parts_of(total: Count, parts: Sequence[Count]) -> Marks:
    """Marks for counts of people that add up to a total (or overlap a little), when the total is shown.

    Few parts are hidden, and with them the smallest others, until two are hidden and what is left of
    the total after subtracting the shown ones is the size of a group that might be shown.
    """
    numbers = [exact(part) for part in parts]
    marks: Marks = [Mark.FEW if few(number) else None for number in numbers]
    if few(total) or not any(marks):
        return marks

    def safe() -> bool:
        rest = exact(total) - sum(number for number, mark in zip(numbers, marks, strict=True) if not mark)
        return enough(rest) and sum(mark is not None for mark in marks) > 1

    return _hide_smallest(numbers, marks, safe)


def rows_of(total_people: Count, people: Sequence[Count]) -> Marks:
    """Marks for rows whose *uses* or *requests* add up to a shown total, given the people of each row.

    People overlap between rows, so the rows hidden are made to hold one group that might be shown:
    subtraction then finds the uses of that many people or more. Rows of nobody hide nobody.
    """
    numbers = [exact(one) for one in people]
    marks: Marks = [Mark.FEW if few(number) else None for number in numbers]
    if few(total_people) or not any(marks):
        return marks

    def safe() -> bool:
        return any(mark and enough(number) for number, mark in zip(numbers, marks, strict=True))

    return _hide_smallest(numbers, marks, safe)


def _hide_smallest(numbers: Sequence[int], marks: Marks, safe: Callable[[], bool]) -> Marks:
    for index in sorted(range(len(numbers)), key=numbers.__getitem__):
        if safe():
            break
        if numbers[index] and marks[index] is None:
            marks[index] = Mark.HIDDEN
    return marks


def part(number: Count, whole: Count) -> Count:
    """A part of a shown group, of which the rest must not be few either."""
    if few(number):
        return Mark.FEW
    if isinstance(number, Mark) or isinstance(whole, Mark):
        return Mark.HIDDEN
    return Mark.HIDDEN if few(whole - number) else number


def apart(number: int, others: Iterable[int]) -> bool:
    """Whether a number differs from each of the others by nothing or by enough."""
    return not any(few(abs(number - other)) for other in others)


def compared(value: Compared) -> Compared:
    """Two counts of people, each on its own."""
    now, before = value
    return Compared(Mark.FEW if _few(now) else now, Mark.FEW if _few(before) else before)


def measured(value: Compared, people: Compared) -> Compared:
    """Two measures, each hidden when the people that it is of are few or hidden."""
    return Compared(
        hidden_measure(value.value, _few(people.value) or isinstance(people.value, Mark)),
        hidden_measure(value.before, _few(people.before) or isinstance(people.before, Mark)),
    )


def _few(value: Measure) -> bool:
    return not isinstance(value, Mark) and few(value)
