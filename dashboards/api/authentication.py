"""Who may read reports: keys of scope `reports`, and staff who are signed in."""

from typing import Any, ClassVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from consent import keys
from consent.models import Key, Scope
from ingest.traffic import counting


class KeyHolder:
    """A caller who authenticates with a key, without an account."""

    is_authenticated = True

    def __init__(self, key: Key) -> None:
        self.key = key


class ReportKeyAuthentication(BaseAuthentication):
    """A key of scope `reports`, as a bearer token or in `x-api-key`."""

    def authenticate(self, request: Request) -> tuple[KeyHolder, None] | None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not any(name in headers for name in keys.KEY_HEADERS):
            return None
        try:
            key = keys.authenticate(headers, Scope.REPORTS)
        except keys.KeyRefused as refused:
            if refused.status == 403:
                raise PermissionDenied(refused.message) from refused
            raise AuthenticationFailed(refused.message) from refused
        counting.note_use(key.pk)
        return KeyHolder(key), None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Candid"'


class ReportKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = ReportKeyAuthentication
    name: ClassVar[list[str]] = ["key", "keyHeader"]  # type: ignore[misc]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "A key of scope `reports`."},
            {"type": "apiKey", "in": "header", "name": "x-api-key"},
        ]


class MayReadReports(BasePermission):
    """Keys, whose scope was checked before, and staff."""

    message = "reports are for staff, and for keys with the scope 'reports'"

    def has_permission(self, request: Request, view: APIView) -> bool:
        user: Any = request.user
        if isinstance(user, KeyHolder):
            return True
        return bool(user and user.is_authenticated and user.is_active and user.is_staff)
