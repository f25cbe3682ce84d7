"""`/api/consent/*` and two shapes that apps use widely: an app shows what its users chose, and sets it.

PUT takes a state, never a guess: a field that is missing or of another type is an error. A withdrawal
is answered once it holds (`barrier.py`); where that is not certain the answer is 503, and it is denied.
"""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from consent.api.base import (
    AUTH,
    ERROR,
    ERRORS,
    ORGANIZATION_HEADER,
    USER_HEADER,
    KeyedView,
    Refused,
    body_of,
)
from consent.api.do_not_track import asks_not_to_be_tracked
from consent.decisions.status import Standing, settle, standing
from consent.models import DECIDABLE, Method, State, SubjectKind

MAX_VERSION = 40  # characters
USER, ORGANIZATION = SubjectKind.USER, SubjectKind.ORGANIZATION


class ConsentView(KeyedView):
    """Reads and sets what one subject chose."""

    def standing(self, request: Request, kind: SubjectKind, subject: str, organization: str = "") -> Standing:
        """What holds now. A request with Do Not Track is told what becomes of such events: nothing."""
        found = standing(kind, subject, organization=organization)
        return found._replace(is_kept=found.is_kept and not asks_not_to_be_tracked(request.headers))

    def choose(
        self, request: Request, kind: SubjectKind, subject: str, state: State, policy_version: str = ""
    ) -> bool:
        """Record a choice; whether it was a new one."""
        if state == State.GRANTED and asks_not_to_be_tracked(request.headers):
            said = "the request says DNT: 1 or Sec-GPC: 1, and against that no consent is recorded"
            raise Refused(409, "do_not_track", said)
        return settle(
            kind=kind,
            subject=subject,
            state=state,
            actor=self.key.name,
            method=Method.API,
            policy_version=policy_version,
        )


# --- /api/consent/user, /api/consent/organization ---------------------------------------------------
class Choice(serializers.Serializer[Any]):
    state = serializers.ChoiceField(["granted", "denied", "unset"])
    user_id = serializers.CharField(required=False, help_text="In place of the header X-User-Id.")
    organization_id = serializers.CharField(required=False, help_text="In place of X-Organization-Id.")

    policy_version = serializers.CharField(
        required=False,
        help_text="That the subject was shown, as /privacy/ has it; the one in force if left out.",
    )


class ConsentAnswer(serializers.Serializer[Any]):
    user_id = serializers.CharField(required=False, help_text="Pseudonym, where the request is about a user.")
    organization_id = serializers.CharField(required=False, help_text="Pseudonym, where one is named.")
    state = serializers.ChoiceField(["granted", "denied", "unset"], help_text="The subject's own choice.")
    since = serializers.DateTimeField(allow_null=True, help_text="UTC; from when it holds for events.")
    policy_version = serializers.CharField(help_text="That the last decision was about; '' without one.")
    is_stale = serializers.BooleanField(help_text="Granted under an earlier policy: ask again.")
    telemetry_enabled = serializers.BooleanField(
        help_text="Whether a detailed event of all who are named would be stored if it happened now."
    )
    changed = serializers.BooleanField(required=False, help_text="PUT only: false when it held already.")


class SubjectConsent(ConsentView):
    kind: SubjectKind

    def get(self, request: Request) -> Response:
        return self._answer(request, body_of(request), {})

    def put(self, request: Request) -> Response:
        body = body_of(request)
        state = body.get("state")
        if not isinstance(state, str) or state not in DECIDABLE:
            said = f"“state” must be one of: {', '.join(DECIDABLE)}"
            raise Refused(400, "bad_parameter", said, "state")
        shown = body.get("policy_version", "")
        if not isinstance(shown, str) or len(shown) > MAX_VERSION:
            raise Refused(400, "bad_parameter", "“policy_version” must be a version's name", "policy_version")
        subject = self.subject(request, self.kind, body)
        self._of_which(request, body)  # refused before anything is recorded
        changed = self.choose(request, self.kind, subject, State(state), shown)
        return self._answer(request, body, {"changed": changed})

    def _of_which(self, request: Request, body: dict[str, Any] | None) -> str:
        """The organization that a user is asked about together with, '' when none is named."""
        return self.named(request, ORGANIZATION, body) if self.kind == USER else ""

    def _answer(self, request: Request, body: dict[str, Any] | None, more: dict[str, Any]) -> Response:
        subject, organization = self.subject(request, self.kind, body), self._of_which(request, body)
        found = self.standing(request, self.kind, subject, organization)
        said = {
            **({f"{self.kind}_id": subject} | ({"organization_id": organization} if organization else {})),
            "state": found.state,
            "since": found.since,
            "policy_version": found.policy_version,
            "is_stale": found.is_stale,
            "telemetry_enabled": found.is_kept,
        }
        return Response(said | more)


CONFLICT = {409: OpenApiResponse(ERROR, "a grant in a request that asks not to be tracked (DNT, Sec-GPC)")}
AGAIN = "The same again is no second decision. A withdrawal is answered once it holds."
READ: Any = {"tags": ["consent"], "auth": AUTH, "responses": {200: ConsentAnswer} | ERRORS}
SET: Any = READ | {"request": Choice, "responses": {200: ConsentAnswer} | ERRORS | CONFLICT}


@extend_schema_view(
    get=extend_schema(
        operation_id="consent_user",
        summary="What a user chose, and what it comes to",
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        **READ,
    ),
    put=extend_schema(
        operation_id="consent_user_set",
        summary="Record what a user chose",
        description=AGAIN,
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        **SET,
    ),
)
class UserConsent(SubjectConsent):
    kind = USER


@extend_schema_view(
    get=extend_schema(
        operation_id="consent_organization",
        summary="What an organization chose, and what it comes to",
        parameters=[ORGANIZATION_HEADER],
        **READ,
    ),
    put=extend_schema(
        operation_id="consent_organization_set",
        summary="Record what an organization chose",
        description=AGAIN,
        parameters=[ORGANIZATION_HEADER],
        **SET,
    ),
)
class OrganizationConsent(SubjectConsent):
    kind = ORGANIZATION


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
        found = self.standing(request, USER, user, organization)
        return Response({"telemetry_enabled": found.is_kept, "user_id": user})


class UserSwitch(ConsentView):
    """The address says which state; a body may name the user, and must not say otherwise."""

    state: State

    def put(self, request: Request) -> Response:
        body = body_of(request)
        wanted = self.state == State.GRANTED
        if body.get("telemetry_enabled", wanted) is not wanted:
            raise Refused(400, "bad_parameter", "body and address say different things", "telemetry_enabled")
        user, organization = self.subject(request, USER, body), self.named(request, ORGANIZATION, body)
        changed = self.choose(request, USER, user, self.state)
        found = self.standing(request, USER, user, organization)
        return Response({"telemetry_enabled": found.is_kept, "message": _message(found, changed)})


@extend_schema_view(
    put=extend_schema(
        operation_id="users_telemetry_enable",
        summary="A user opts in",
        description=AGAIN,
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
        description=AGAIN,
        tags=["consent"],
        auth=AUTH,
        request=None,
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        responses={200: UserSwitchAnswer} | ERRORS,
    )
)
class UserTelemetryDisable(UserSwitch):
    state = State.DENIED


def _message(found: Standing, changed: bool) -> str:
    if found.state != State.GRANTED:
        return "opted out" if changed else "opted out before; nothing changed"
    said = "opted in" if changed else "opted in before; nothing changed"
    return said if found.is_kept else f"{said}, but others have not agreed: nothing is kept"


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
        description=AGAIN,
        tags=["consent"],
        auth=AUTH,
        request=OrganizationSwitch,
        parameters=[ORGANIZATION_HEADER],
        responses={200: OrganizationSettingsAnswer} | ERRORS | CONFLICT,
    )
    def put(self, request: Request) -> Response:
        body = body_of(request)
        wanted = body.get("telemetry_enabled")
        if not isinstance(wanted, bool):
            said = "“telemetry_enabled” must be true or false"
            raise Refused(400, "bad_parameter", said, "telemetry_enabled")
        organization = self.subject(request, ORGANIZATION, body)
        self.choose(request, ORGANIZATION, organization, State.GRANTED if wanted else State.DENIED)
        return self._answer(request, organization)

    def _answer(self, request: Request, organization: str) -> Response:
        found = self.standing(request, ORGANIZATION, organization)
        return Response(
            {
                "org_id": organization,
                "telemetry_enabled": found.is_kept,
                "updated_at": found.recorded_at,
                "updated_by": found.recorded_by or None,
            }
        )


@extend_schema(exclude=True)
class OrganizationSettingsUnversioned(OrganizationSettings):
    """The same at an address that some clients use."""
