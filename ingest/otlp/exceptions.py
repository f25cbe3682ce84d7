"""What a failed span met: most instrumentations say it in an event of the span, and not on the span itself.

Events are not read otherwise. Of these, only the class of the exception is.
"""

import re
from collections.abc import Mapping
from typing import Any

LOOKED_AT = 8  # events of a span, the last ones: an exception that ends a span is its last event
EXCEPTION = "exception"  # the event's name
TYPE = "exception.type"
ERROR_TYPE = "error.type"

_SAID = (ERROR_TYPE, "error_type", TYPE)
_STATUS = re.compile(r"[1-5]\d\d")  # what the semantic conventions put there when they know no better


def wants_type(attributes: Mapping[str, Any]) -> bool:
    """Whether a failed span does not say itself what it met."""
    for name in _SAID:
        if (said := attributes.get(name)) is not None:
            return isinstance(said, str) and _STATUS.fullmatch(said) is not None
    return True
