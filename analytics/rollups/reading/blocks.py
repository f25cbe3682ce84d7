"""The blocks that publish what single days do not, as a process remembers them between reports."""

from collections.abc import Hashable, Mapping
from datetime import date
from itertools import groupby

from analytics.rollups.reading.cache import cache
from analytics.rollups.reading.decoding import size_of
from analytics.rollups.reading.published import FOUR_WEEKS, Blocks, DayCells, block_of


def blocks_of(
    days: Mapping[date, DayCells], versions: Mapping[date, Hashable], sealed_until: date | None, form: str
) -> dict[int, Blocks]:
    """The blocks by the number of their four weeks. `form` says what `days` are made from."""
    together = {
        its_days[0]: its_days
        for _, four_weeks in groupby(sorted(days), key=lambda day: block_of(day, FOUR_WEEKS))
        if (its_days := list(four_weeks))
    }

    def make(firsts: list[date]) -> dict[date, Blocks]:
        return {
            first: Blocks.of({day: days[day] for day in together[first]}, sealed_until) for first in firsts
        }

    blocks = cache().contents(
        {
            first: (sealed_until, *((day, versions[day]) for day in its_days))
            for first, its_days in together.items()
        },
        f"blocks, {form}",
        make,
        size_of,
    )
    return {block_of(first, FOUR_WEEKS): its_blocks for first, its_blocks in blocks.items()}
