"""How many examples a property is tried with: `EXAMPLES_TIMES` as many in `make proofs`."""

import os

TIMES = int(os.environ.get("EXAMPLES_TIMES", "1"))


def examples(number: int) -> int:
    return number * TIMES
