"""What is stored of a customer's report: names and finite numbers, no text, hence nothing personal."""

import re
from collections import Counter
from collections.abc import Mapping

from consent.registry.personal_data import finding, is_denied_name

MAX_NUMBERS = 200  # in one report
MAX_NAME = 100  # characters
MAX_NUMBER = 2**63  # exclusive; more than a signed 64-bit counter reaches
NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]{{0,{MAX_NAME - 1}}}")
NAME_FORM = f"1 to {MAX_NAME} letters, digits, '_', '.' or '-', the first one a letter"

DROPPED = {
    "not_a_number": "not a finite number below 2^63",
    "bad_name": f"a name other than {NAME_FORM}",
    "personal_name": "a name that looks personal or secret",
    "too_many": f"more than {MAX_NUMBERS} numbers",
}


def numbers_of(report: Mapping[str, object]) -> tuple[dict[str, int | float], Counter[str]]:
    """The names and numbers that may be stored, and how many were dropped, by reason (`DROPPED`)."""
    numbers: dict[str, int | float] = {}
    dropped: Counter[str] = Counter()
    for name, value in report.items():
        if not NAME.fullmatch(name):
            dropped["bad_name"] += 1
        elif is_denied_name(name) or finding(name):
            dropped["personal_name"] += 1
        elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MAX_NUMBER:
            dropped["not_a_number"] += 1
        elif len(numbers) == MAX_NUMBERS:
            dropped["too_many"] += 1
        else:
            numbers[name] = value
    return numbers, dropped
