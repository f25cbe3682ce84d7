"""The admin's forms. A raw id goes in; `clean` leaves only its pseudonym."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from consent.keys import lifetime, origin_of
from consent.models import ErasureRequest, Key, Organization, Scope, SubjectKind, TelemetryUser
from consent.pseudonyms import is_pseudonym, pseudonym
from consent.registry.personal_data import finding

PERSONAL = {"email": "an e-mail address", "ip": "an IP address", "card": "a card number"}


class RawIdField(forms.CharField):
    """An id as the app sends it; its cleaned value is the pseudonym."""

    def __init__(self, kind: SubjectKind, **kwargs: Any) -> None:
        self.kind = kind
        attributes = {"autocomplete": "off", "spellcheck": "false", "size": 40}
        kwargs.setdefault("help_text", "As the app sends it. Only its pseudonym is stored.")
        super().__init__(max_length=1000, widget=forms.TextInput(attributes), **kwargs)

    def clean(self, value: Any) -> str:
        raw = super().clean(value)
        return pseudonym(self.kind, raw) if raw else ""


def impersonal(text: str) -> None:
    """Validates a text that is stored for good: no e-mail address, no IP address, no card number."""
    if (kind := finding(text)) in PERSONAL:
        raise ValidationError(
            f"This seems to contain {PERSONAL[kind]}, and would be stored for good: leave it out."
        )


def reason_field(help_text: str, *, required: bool = True) -> forms.CharField:
    widget = forms.TextInput({"class": "vTextField", "size": 60})
    return forms.CharField(
        max_length=500, widget=widget, help_text=help_text, required=required, validators=[impersonal]
    )


class ReasonForm(forms.Form):
    reason = reason_field("Stored with the record for good. No names, no addresses.")


class ErasureForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    raw_id = forms.CharField(
        max_length=1000,
        label="Id",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "size": 40}),
        help_text="As the app sends it; only its pseudonym is stored. Everything about this subject up to "
        "now is erased for good.",
    )
    reason = ReasonForm.base_fields["reason"]

    class Meta:
        model = ErasureRequest
        fields = ("kind",)

    def clean(self) -> dict[str, Any]:
        """Leaves kind, pseudonym and reason; the raw id is gone."""
        cleaned = super().clean() or self.cleaned_data
        raw_id = cleaned.pop("raw_id", "")
        if raw_id and cleaned.get("kind"):
            cleaned["pseudonym"] = pseudonym(cleaned["kind"], raw_id)
        return cleaned


ABOUT_ORGANIZATION = ("label", "deployment_type", "is_internal", "notice_since")


class OrganizationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Changes after which another rule may apply to the organization need a reason."""

    RULING = ("deployment_type", "notice_since")
    label = forms.CharField(
        max_length=100,
        required=False,
        help_text="Shown to staff; no personal names.",
        validators=[impersonal],
    )
    reason = reason_field(
        "Required if the deployment type or the time of the notice changes, because another rule may apply "
        "from then on. Stored in the history, with who made the change. No names, no addresses.",
        required=False,
    )

    class Meta:
        model = Organization
        fields = ABOUT_ORGANIZATION
        help_texts: ClassVar[dict[str, str]] = {
            "is_internal": "Our own use: left out of reports unless asked for, past days included. Sealed "
            "days, whose events were deleted, keep what they said."
        }

    def changes(self) -> dict[str, str]:
        """Old and new values, by the names of the changed fields."""
        return {
            name: f"{self.initial.get(name) or 'none'} → {self.cleaned_data[name] or 'none'}"
            for name in ABOUT_ORGANIZATION
            if name in self.changed_data
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if set(self.RULING) & set(self.changed_data) and not cleaned.get("reason"):
            self.add_error("reason", "Say why: another rule may apply to this organization from now on.")
        return cleaned


class NewOrganizationForm(OrganizationForm):
    raw_id = RawIdField(SubjectKind.ORGANIZATION, label="Organization id")

    def clean_raw_id(self) -> str:
        return _new(Organization, self.cleaned_data["raw_id"])


class NewUserForm(forms.ModelForm):  # type: ignore[type-arg]
    raw_id = RawIdField(SubjectKind.USER, label="User id")

    class Meta:
        model = TelemetryUser
        fields = ()

    def clean_raw_id(self) -> str:
        return _new(TelemetryUser, self.cleaned_data["raw_id"])


def _new(model: type[Organization] | type[TelemetryUser], subject: str) -> str:
    if model.objects.filter(pseudonym=subject).exists():
        raise ValidationError("This id is already recorded: find it from the list.")
    return subject


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Key
        fields = ("name", "requests_per_second")


class NewKeyForm(KeyForm):
    scopes = forms.MultipleChoiceField(choices=Scope, widget=forms.CheckboxSelectMultiple)
    websites = forms.CharField(
        required=False,
        widget=forms.TextInput({"class": "vTextField", "size": 60}),
        help_text="For web pages: their websites, like https://app.example, separated by spaces. This makes "
        "the key publishable: anybody may see it, so it only sends events, and only from these websites.",
    )
    expires = forms.CharField(
        required=False,
        widget=forms.TextInput({"size": 8}),
        help_text="Optional: how long it is valid, as 90d or 12h. Empty: until it is revoked.",
    )
    organization_raw_id = RawIdField(
        SubjectKind.ORGANIZATION,
        required=False,
        label="Organization id",
        help_text="Optional: binds the key to this organization. Only the pseudonym is stored.",
    )
    organization_pseudonym = forms.CharField(
        required=False, max_length=32, label="or its pseudonym", widget=forms.TextInput({"size": 40})
    )

    def clean_websites(self) -> list[str]:
        try:
            return sorted({origin_of(text) for text in str(self.cleaned_data["websites"]).split()})
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def clean_expires(self) -> timedelta | None:
        try:
            return lifetime(text) if (text := str(self.cleaned_data["expires"])) else None
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def clean_organization_pseudonym(self) -> str:
        text = str(self.cleaned_data["organization_pseudonym"]).strip().lower()
        if text and not is_pseudonym(text):
            raise ValidationError("A pseudonym has 32 hex digits.")
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        named = {cleaned.get("organization_raw_id", ""), cleaned.get("organization_pseudonym", "")} - {""}
        if len(named) > 1:
            raise ValidationError("The organization's id and its pseudonym name two organizations.")
        if cleaned.get("websites") and cleaned.get("scopes") != [Scope.INGEST]:
            raise ValidationError("A key for websites is publishable: its only scope can be “Send events”.")
        cleaned["organization"] = named.pop() if named else ""
        return cleaned
