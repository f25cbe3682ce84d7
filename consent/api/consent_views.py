"""`/api/consent/user` and `/api/consent/organization`: an app reads what its subject chose, and sets it.

PUT takes a state and never guesses: a missing field, or one of the wrong type, is an error. A withdrawal is
answered once it holds (`gate/barrier.py`). If that is not certain, the answer is 503, but the subject counts
as denied.
"""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from consent.api.base import KeyedView, body_of
from consent.api.do_not_track import asks_not_to_be_tracked
from consent.api.errors import ApiError
from consent.api.openapi import AUTH, CONFLICT, ERRORS, ORGANIZATION_HEADER, REPEATED, USER_HEADER
from consent.decisions.status import ConsentStatus, consent_status, record_choice
from consent.models import DECIDABLE, GRANTABLE, Level, Method, State, SubjectKind

MAX_VERSION = 40  # characters
USER, ORGANIZATION = SubjectKind.USER, SubjectKind.ORGANIZATION


class ConsentView(KeyedView):
    """Reads and sets what one subject chose."""

    def status(
        self, request: Request, kind: SubjectKind, subject: str, organization: str = ""
    ) -> ConsentStatus:
        """What holds now. If the request asks not to be tracked, nothing is kept, whoever has agreed."""
        status = consent_status(kind, subject, organization=organization)
        return status._replace(is_kept=status.is_kept and not asks_not_to_be_tracked(request.headers))

    def choose(
        self,
        request: Request,
        kind: SubjectKind,
        subject: str,
        state: State,
        policy_version: str = "",
        level: Level | None = None,
    ) -> bool:
        """Record a choice. Returns whether it changed anything."""
        if state == State.GRANTED and asks_not_to_be_tracked(request.headers):
            message = "the request says DNT: 1 or Sec-GPC: 1, so no consent is recorded"
            raise ApiError(409, "do_not_track", message)
        return record_choice(
            kind=kind,
            subject=subject,
            state=state,
            actor=self.key.name,
            method=Method.API,
            policy_version=policy_version,
            level=level,
        )


class Choice(serializers.Serializer[Any]):
    state = serializers.ChoiceField(["granted", "denied", "unset"])
    level = serializers.ChoiceField(
        [level.value for level in GRANTABLE],
        required=False,
        help_text="Grants of organizations only. account: staff may also see this organization's own totals, "
        "however few its people; detailed takes that back. By default a grant stays what it was.",
    )
    user_id = serializers.CharField(required=False, help_text="In place of the header X-User-Id.")
    organization_id = serializers.CharField(required=False, help_text="In place of X-Organization-Id.")

    policy_version = serializers.CharField(
        required=False,
        help_text="The version that the subject was shown, as on /privacy/; by default the one in force.",
    )


class ConsentAnswer(serializers.Serializer[Any]):
    user_id = serializers.CharField(required=False, help_text="Pseudonym, where the request is about a user.")
    organization_id = serializers.CharField(required=False, help_text="Pseudonym, where one is named.")
    state = serializers.ChoiceField(["granted", "denied", "unset"], help_text="The subject's own choice.")
    level = serializers.ChoiceField(
        ["base", "detailed", "account"],
        required=False,
        help_text="Organizations only: what their choice allows now.",
    )
    since = serializers.DateTimeField(allow_null=True, help_text="UTC; the event time from which it holds.")
    policy_version = serializers.CharField(help_text="The version of the last decision; '' without one.")
    is_stale = serializers.BooleanField(help_text="Granted under an earlier policy: ask again.")
    telemetry_enabled = serializers.BooleanField(
        help_text="Whether a detailed event that names the same subjects would be stored if it happened now."
    )
    changed = serializers.BooleanField(required=False, help_text="PUT only: false when it already held.")


class SubjectConsent(ConsentView):
    kind: SubjectKind

    def get(self, request: Request) -> Response:
        return self._answer(request, body_of(request), {})

    def put(self, request: Request) -> Response:
        body = body_of(request)
        state = body.get("state")
        if not isinstance(state, str) or state not in DECIDABLE:
            raise ApiError(400, "bad_parameter", f"“state” must be one of: {', '.join(DECIDABLE)}", "state")
        shown = body.get("policy_version", "")
        if not isinstance(shown, str) or len(shown) > MAX_VERSION:
            raise ApiError(
                400, "bad_parameter", "“policy_version” must be a version's name", "policy_version"
            )
        level = self._level(body, State(state))
        subject = self.subject(request, self.kind, body)
        self._organization(request, body)  # an error comes before anything is recorded
        changed = self.choose(request, self.kind, subject, State(state), shown, level)
        return self._answer(request, body, {"changed": changed})

    def _level(self, body: dict[str, Any], state: State) -> Level | None:
        """What a grant is for, None if the body does not say. Raises `ApiError`."""
        if "level" not in body:
            return None
        level = body["level"]
        if self.kind != ORGANIZATION or state != State.GRANTED:
            raise ApiError(400, "bad_parameter", "“level” belongs to a grant by an organization", "level")
        if not isinstance(level, str) or level not in GRANTABLE:
            raise ApiError(400, "bad_parameter", f"“level” must be one of: {', '.join(GRANTABLE)}", "level")
        return Level(level)

    def _organization(self, request: Request, body: dict[str, Any] | None) -> str:
        """The organization named beside a user, '' for none."""
        return self.named(request, ORGANIZATION, body) if self.kind == USER else ""

    def _answer(self, request: Request, body: dict[str, Any] | None, more: dict[str, Any]) -> Response:
        subject, organization = self.subject(request, self.kind, body), self._organization(request, body)
        status = self.status(request, self.kind, subject, organization)
        content = {
            **({f"{self.kind}_id": subject} | ({"organization_id": organization} if organization else {})),
            "state": status.state,
            **({"level": status.level} if self.kind == ORGANIZATION else {}),
            "since": status.since,
            "policy_version": status.policy_version,
            "is_stale": status.is_stale,
            "telemetry_enabled": status.is_kept,
        }
        return Response(content | more)


READ: Any = {"tags": ["consent"], "auth": AUTH, "responses": {200: ConsentAnswer} | ERRORS}
SET: Any = READ | {"request": Choice, "responses": {200: ConsentAnswer} | ERRORS | CONFLICT}


@extend_schema_view(
    get=extend_schema(
        operation_id="consent_user",
        summary="What a user chose, and what follows from it",
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        **READ,
    ),
    put=extend_schema(
        operation_id="consent_user_set",
        summary="Record what a user chose",
        description=REPEATED,
        parameters=[USER_HEADER, ORGANIZATION_HEADER],
        **SET,
    ),
)
class UserConsent(SubjectConsent):
    kind = USER


@extend_schema_view(
    get=extend_schema(
        operation_id="consent_organization",
        summary="What an organization chose, and what follows from it",
        parameters=[ORGANIZATION_HEADER],
        **READ,
    ),
    put=extend_schema(
        operation_id="consent_organization_set",
        summary="Record what an organization chose",
        description=REPEATED,
        parameters=[ORGANIZATION_HEADER],
        **SET,
    ),
)
class OrganizationConsent(SubjectConsent):
    kind = ORGANIZATION
