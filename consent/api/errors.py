"""Errors of the consent, privacy and report APIs: one JSON form for all three.

`{"error": {"code", "message"}}`, with `parameter` when a single one is at fault. An error never repeats what
the caller sent.
"""

from collections.abc import Callable
from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler


class ApiError(APIException):
    """The request is answered with this error. DRF turns `auth_header` and `wait` (seconds) into headers."""

    def __init__(
        self, status: int, code: str, message: str, parameter: str = "", *, wait: int | None = None
    ) -> None:
        super().__init__(message, code)
        self.status_code = status
        self.parameter = parameter
        if status == 401:
            self.auth_header = 'Bearer realm="Candid"'
        if wait is not None:
            self.wait = wait


class JsonErrorView(APIView):
    """A view whose errors have the form described above."""

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return json_error


def json_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's response to an error, with our body; None if DRF has no response to it."""
    response = exception_handler(error, context)
    if response is not None:
        response.data = {"error": _described(error)}
    return response


def _described(error: Exception) -> dict[str, str]:
    if not isinstance(error, APIException):
        return {"code": "error", "message": "the request was refused"}
    described = {
        "code": str(getattr(error.detail, "code", error.default_code)),
        "message": str(error.detail),
    }
    if parameter := getattr(error, "parameter", ""):
        described["parameter"] = parameter
    return described


# The same form, as OpenAPI describes it.
ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("code", "message", "parameter")},
            "required": ["code", "message"],
        }
    },
    "required": ["error"],
}
