"""Errors for customers' collectors: `{"error": {"code", "message"}}`, with `parameter` if one is to blame.

Neither they nor a log repeat anything that was sent.
"""

import logging

from django.db import Error as DatabaseError
from drf_spectacular.utils import OpenApiResponse
from rest_framework.exceptions import APIException, ValidationError

from consent.keys import KeyRefused
from ingest.load.body import BodyRefused

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
ERROR = {"type": "object", "properties": {"error": {"type": "object"}}, "required": ["error"]}
ERRORS = {
    400: OpenApiResponse(ERROR, "something is missing or out of bounds; `message` names it and the limit"),
    401: OpenApiResponse(ERROR, "no key, or an unknown one"),
    403: OpenApiResponse(ERROR, "a key without the scope `heartbeat`, or of another organization"),
    413: OpenApiResponse(ERROR, f"a body larger than {MAX_BODY_BYTES} bytes"),
    503: OpenApiResponse(ERROR, "a database does not answer; send the same again"),
}


class ReportRefused(APIException):
    """The request is answered with an error. DRF turns `auth_header` and `wait` into headers."""

    def __init__(self, status: int, code: str, message: str, parameter: str = "") -> None:
        super().__init__(message, code)
        self.status_code = status
        self.parameter = parameter
        if status == 401:
            self.auth_header = 'Bearer realm="Candid"'
        if status == 503:
            self.wait = 2  # seconds


def refusal_of(error: Exception) -> Exception:
    """The error to answer with. An error that is none of these is returned as it is."""
    if isinstance(error, KeyRefused):
        return ReportRefused(error.status, "no_key" if error.status == 401 else "wrong_scope", error.message)
    if isinstance(error, BodyRefused):
        return ReportRefused(error.status, "bad_body", error.message)
    if isinstance(error, ValidationError):
        mistakes = {name: " ".join(map(str, reasons)) for name, reasons in dict(error.detail).items()}  # type: ignore[arg-type]
        message = "; ".join(f"“{name}”: {reasons}" for name, reasons in mistakes.items())
        return ReportRefused(400, "bad_parameter", message, next(iter(mistakes)))
    if isinstance(error, DatabaseError):
        logger.warning("customers' reports cannot be stored now: %s", type(error).__name__)
        return ReportRefused(503, "unavailable", "storage is unavailable; send the same again")
    return error


def code_of(refused: APIException) -> str:
    return str(getattr(refused.detail, "code", refused.default_code))
