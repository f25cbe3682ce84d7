"""What is left out for good when a day is sealed: small groups, and what would tell their size.

The rules are those of `analytics/reports/suppression/rules.py`, on bare numbers.
"""

from collections.abc import Sequence

from analytics.small_groups import enough, too_few

Kept = int | None  # None: withheld


def alone(number: int) -> Kept:
    """A count by itself."""
    return None if too_few(number) else number


def part(number: int, whole: Kept) -> Kept:
    """A part of a whole: neither it nor the rest may be few."""
    return None if whole is None or too_few(number) or too_few(whole - number) else number


def parts(numbers: Sequence[int], total: int | None = None) -> list[Kept]:
    """Parts that add up to a total which may be known, or overlap a little (then give the total).

    Few parts are left out, and with them the smallest others, until what is left out is enough people in at
    least two parts. Where few people are in several parts, the smallest is left out.
    """
    total = sum(numbers) if total is None else total
    kept = [None if number and too_few(total - number) else alone(number) for number in numbers]
    at_least = 2
    if None not in kept:
        if not too_few(sum(numbers) - total):
            return kept
        at_least = 1
    for number, place in sorted((number, place) for place, number in enumerate(numbers)):
        rest = total - sum(one for one in kept if one is not None)
        if enough(rest) and kept.count(None) >= at_least:
            break
        if number:
            kept[place] = None
    return kept
