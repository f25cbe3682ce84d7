"""The rules of suppression, on bare numbers.

A group of 1 to `SUPPRESS_BELOW` - 1 people is *few*; so is one that everybody left by withdrawing. Its count
is withheld as FEW and prints as "<5". What belongs to it, or would reveal it by subtraction, is withheld
as HIDDEN. An empty group is shown.
"""

from collections.abc import Callable, Iterable, Sequence

from analytics.reports.cells import Compared, Count, Deserted, Measure, Withheld, exact, published
from analytics.small_groups import enough, too_few

Verdicts = list[Withheld | None]  # None: the number may be shown


def few(people: Count | float | None) -> bool:
    """Whether so many people are too few to be shown. A deserted group always is: it may be small."""
    if isinstance(people, Deserted):
        return True
    return isinstance(people, int | float) and too_few(people)


def shown(people: Count) -> Count:
    """The count, or FEW."""
    return Withheld.FEW if few(people) else people


def ruled(value: Count, verdict: Withheld | None) -> Count:
    """The value, or why it is withheld."""
    return value if verdict is None else verdict


def hidden_measure(value: Measure, hide: bool) -> Measure:
    return Withheld.HIDDEN if hide else value


def parts_of(total: Count, parts: Sequence[Count]) -> Verdicts:
    """Verdicts for counts of people that add up to a shown total, or overlap a little.

    Few parts are hidden, and with them the smallest others, until two are hidden and what is left of
    the total after subtracting the shown ones is the size of a group that might be shown. Where few people
    are in several parts, adding them up would tell how many: the smallest is hidden.
    """
    numbers = [exact(part) for part in parts]
    verdicts: Verdicts = [Withheld.FEW if few(number) else None for number in numbers]
    if few(total):
        return verdicts
    for place, number in enumerate(numbers):
        if number and verdicts[place] is None and few(exact(total) - number):
            verdicts[place] = Withheld.HIDDEN  # where parts overlap: the others alone would be few
    is_overlap = not any(verdicts)
    if is_overlap and not few(sum(numbers) - exact(total)):
        return verdicts

    least = 0 if is_overlap else 1  # hidden parts, which one more must be: of one the rest tells the size

    def safe() -> bool:
        rest = exact(total) - sum(
            number for number, verdict in zip(numbers, verdicts, strict=True) if not verdict
        )
        return enough(rest) and sum(verdict is not None for verdict in verdicts) > least

    return _hide_smallest(numbers, verdicts, safe)


def uses_of(people: Count, uses: Count) -> Count:
    """What people did, of published cells: HIDDEN where no cell is, or where the people are few."""
    if few(people) or isinstance(uses, Withheld):
        return Withheld.HIDDEN
    return published(uses)


def must_be_published(is_published: bool) -> None:
    """Raises TypeError for a report that was counted without regard to published cells."""
    if not is_published:
        raise TypeError("suppression needs a report that was counted with published=True")


def _hide_smallest(numbers: Sequence[int], verdicts: Verdicts, safe: Callable[[], bool]) -> Verdicts:
    for index in sorted(range(len(numbers)), key=numbers.__getitem__):
        if safe():
            break
        if numbers[index] and verdicts[index] is None:
            verdicts[index] = Withheld.HIDDEN
    return verdicts


def part(number: Count, whole: Count) -> Count:
    """A part of a group whose size is shown: the rest must not be few either."""
    if few(number):
        return Withheld.FEW
    if isinstance(number, Withheld) or isinstance(whole, Withheld):
        return Withheld.HIDDEN
    return Withheld.HIDDEN if few(whole - number) else number


def apart(number: int, others: Iterable[int]) -> bool:
    """Whether a number differs from each of the others by nothing or by enough."""
    return not any(few(abs(number - other)) for other in others)


def compared(value: Compared) -> Compared:
    """Two counts of people, each on its own."""
    now, before = value
    return Compared(Withheld.FEW if _few(now) else now, Withheld.FEW if _few(before) else before)


def measured(value: Compared, people: Compared) -> Compared:
    """Two measures, each hidden when its people are few or withheld."""
    return Compared(
        hidden_measure(value.value, _few(people.value) or isinstance(people.value, Withheld)),
        hidden_measure(value.before, _few(people.before) or isinstance(people.before, Withheld)),
    )


def _few(value: Measure) -> bool:
    return not isinstance(value, Withheld) and few(value)
