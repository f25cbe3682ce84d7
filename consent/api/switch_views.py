"""Widely used shapes of a telemetry switch: `/api/users/telemetry/*`, `/api/v1/config/me/org-settings`.

They record the same decisions as `/api/consent/*`.
"""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from consent.api.base import body_of
from consent.api.consent_views import ORGANIZATION, USER, ConsentView
from consent.api.errors import ApiError
from consent.api.openapi import AUTH, CONFLICT, ERRORS, ORGANIZATION_HEADER, REPEATED, USER_HEADER
from consent.decisions.status import ConsentStatus
from consent.models import State


# --- /api/users/telemetry/* -------------------------------------------------------------------------
class UserStatusAnswer(serializers.Serializer[Any]):
    telemetry_enabled = serializers.BooleanField()
    user_id = serializers.CharField(help_text="Pseudonym.")


class UserSwitchAnswer(serializers.Serializer[Any]):
    telemetry_enabled = serializers.BooleanField()
    message = serializers.CharField()


class UserTelemetryStatus(ConsentView):
    @extend_schema(
        operation_id="users_telemetry_status",
        summary="Whether a user's events are kept",
        tags=["consent"],
        auth=AUTH,
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        responses={200: UserStatusAnswer} | ERRORS,
    )
    def get(self, request: Request) -> Response:
        body = body_of(request)
        user, organization = self.subject(request, USER, body), self.named(request, ORGANIZATION, body)
        status = self.status(request, USER, user, organization)
        return Response({"telemetry_enabled": status.is_kept, "user_id": user})


class UserSwitch(ConsentView):
    """The address says which state is set. A body may name the user, and must not contradict the address."""

    state: State

    def put(self, request: Request) -> Response:
        body = body_of(request)
        enables = self.state == State.GRANTED
        if body.get("telemetry_enabled", enables) is not enables:
            raise ApiError(400, "bad_parameter", "the body contradicts the address", "telemetry_enabled")
        user, organization = self.subject(request, USER, body), self.named(request, ORGANIZATION, body)
        changed = self.choose(request, USER, user, self.state)
        status = self.status(request, USER, user, organization)
        return Response({"telemetry_enabled": status.is_kept, "message": _message(status, changed)})


@extend_schema_view(
    put=extend_schema(
        operation_id="users_telemetry_enable",
        summary="A user opts in",
        description=REPEATED,
        tags=["consent"],
        auth=AUTH,
        request=None,
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        responses={200: UserSwitchAnswer} | ERRORS | CONFLICT,
    )
)
class UserTelemetryEnable(UserSwitch):
    state = State.GRANTED


@extend_schema_view(
    put=extend_schema(
        operation_id="users_telemetry_disable",
        summary="A user opts out",
        description=REPEATED,
        tags=["consent"],
        auth=AUTH,
        request=None,
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        responses={200: UserSwitchAnswer} | ERRORS,
    )
)
class UserTelemetryDisable(UserSwitch):
    state = State.DENIED


def _message(status: ConsentStatus, changed: bool) -> str:
    if status.state != State.GRANTED:
        return "opted out" if changed else "opted out before; nothing changed"
    message = "opted in" if changed else "opted in before; nothing changed"
    return message if status.is_kept else f"{message}, but others have not agreed: nothing is kept"


# --- /api/v1/config/me/org-settings ------------------------------------------------------------------
class OrganizationSwitch(serializers.Serializer[Any]):
    telemetry_enabled = serializers.BooleanField()
    organization_id = serializers.CharField(required=False, help_text="In place of X-Organization-Id.")


class OrganizationSettingsAnswer(serializers.Serializer[Any]):
    org_id = serializers.CharField(help_text="Pseudonym.")
    telemetry_enabled = serializers.BooleanField()
    updated_at = serializers.DateTimeField(allow_null=True)
    updated_by = serializers.CharField(
        allow_null=True, help_text="The name of the key, or `admin`, `command`, `link`, …"
    )


class OrganizationSettings(ConsentView):
    @extend_schema(
        operation_id="org_settings",
        summary="Whether an organization's events are kept",
        tags=["consent"],
        auth=AUTH,
        parameters=[ORGANIZATION_HEADER],
        responses={200: OrganizationSettingsAnswer} | ERRORS,
    )
    def get(self, request: Request) -> Response:
        return self._answer(request, self.subject(request, ORGANIZATION, body_of(request)))

    @extend_schema(
        operation_id="org_settings_set",
        summary="An organization opts in or out",
        description=REPEATED,
        tags=["consent"],
        auth=AUTH,
        request=OrganizationSwitch,
        parameters=[ORGANIZATION_HEADER],
        responses={200: OrganizationSettingsAnswer} | ERRORS | CONFLICT,
    )
    def put(self, request: Request) -> Response:
        body = body_of(request)
        enables = body.get("telemetry_enabled")
        if not isinstance(enables, bool):
            message = "“telemetry_enabled” must be true or false"
            raise ApiError(400, "bad_parameter", message, "telemetry_enabled")
        organization = self.subject(request, ORGANIZATION, body)
        self.choose(request, ORGANIZATION, organization, State.GRANTED if enables else State.DENIED)
        return self._answer(request, organization)

    def _answer(self, request: Request, organization: str) -> Response:
        status = self.status(request, ORGANIZATION, organization)
        return Response(
            {
                "org_id": organization,
                "telemetry_enabled": status.is_kept,
                "updated_at": status.recorded_at,
                "updated_by": status.recorded_by or None,
            }
        )


@extend_schema(exclude=True)
class OrganizationSettingsUnversioned(OrganizationSettings):
    """The same, under another address that some clients use; left out of the documentation."""
