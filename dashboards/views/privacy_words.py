"""The words of `/privacy/` for columns, kinds of events, promises and rules for the undecided."""

from consent.gate.rules import Profile

COLUMNS = {
    "id": "A number computed from the event, so that the same event sent twice is stored once",
    "timestamp": "When it happened",
    "received_at": "When it reached us",
    "user_id": "A pseudonym of the user, or part of that of the session, installation or organization",
    "organization_id": "A pseudonym of the organization",
    "session_id": "A pseudonym of the session",
    "deployment_type": "Cloud or self-hosted",
    "is_internal": "Whether it was our own use",
    "event_metadata": "Those of the attributes listed below that were sent",
    "event_type": "What was done: signed in, signed out, started or ended a session, …",
    "endpoint": "The template of the address, like /items/{id}, without the values filled in",
    "method": "GET, POST, …",
    "status_code": "Whether it worked: 200, 404, 500, …",
    "duration_ms": "How long it took, in milliseconds",
    "feature_name": "Which feature",
    "action": "What was done with it",
}
# For each event table: a title, and what one of its events tells us.
EVENTS = {
    "activity": (
        "Signing in and sessions",
        "that somebody signed in, had a session, or did something else in the product",
    ),
    "endpoint": ("Requests", "that the product answered a request, and how fast"),
    "feature": ("Use of features", "that a feature was used"),
}
NEVER = (
    "Names, e-mail addresses and phone numbers: attributes with such names are dropped, and so is every "
    "value that looks like an e-mail address",
    "IP addresses and user agents: they are neither stored nor written to logs",
    "Identifiers of users, organizations, sessions and installations: only their pseudonyms are kept",
    "The content of requests and responses, and query strings: of an address, only the template is kept",
    "Passwords, keys, tokens, cookies and card numbers, wherever they appear",
    "Paths in somebody’s home directory",
    "Fingerprints of devices, and names of hosts",
    "Anything else that is not on this page: it is dropped on arrival",
)
# What is stored of those who have not decided.
PROFILES = {
    Profile.STRICT: "Nothing, until the organization and the person have both said yes.",
    Profile.ORGANIZATION: "Nothing, until the organization has said yes. That yes then covers its people, "
    "except for those who say no.",
    Profile.NOTICE: "Events from the time a notice was shown, until the organization or the person says no.",
}
# What an organization may allow in addition.
ACCOUNT_REPORTS = (
    "Only where an organization has granted the level “account”: staff may see its own totals of features, "
    "requests and active people, however few its people are, never a person’s events. Its own keys "
    "still get whole weeks of enough people. Ends when it takes that back or opts out, "
    "and with a material change of the policy."
)
