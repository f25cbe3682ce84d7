"""Turns the raw path of a page view into what may be stored: `/settings/billing`, `/projects/{id}`.

A raw path holds whatever its app writes into addresses: ids, names of people and customers, titles. Parts
that look like anything but a word become `{id}`. Below a part that names a collection (`/projects/…`,
`/u/…`, `/invite/…`) or is an id, only common words of pages are kept, because there even a word is likely to
be a name. What this cannot tell: a name that stands where a page's own word would, such as `/jane`.
"""

import re
from functools import lru_cache

from ingest.mapping.path_templates import MAX_PATH, PEOPLE, is_id, segments_of, shortened
from ingest.mapping.route_syntax import ID

MAX_WORDS = 4  # of one part; more of them are a title

# `settings`, `two-factor`, `Settings`, `FAQ`, `step-2`, `about.php`
_PLAIN = re.compile(
    rf"(?:[A-Z]?[a-z]{{1,20}}(?:[-_][a-z]{{1,20}}){{0,{MAX_WORDS - 1}}}|[A-Z]{{2,5}})"
    r"(?:[-_]?[0-9]{1,2})?(?:\.(?:html?|xhtml|php|aspx?|jsp|cgi|do|action))?",
    re.ASCII,
)
_CAMEL_CASE = re.compile(r"[A-Za-z][a-z]{1,20}(?:[A-Z][a-z]{1,20}){1,3}", re.ASCII)  # `userSettings`
_VERSION = re.compile(r"v[0-9]{1,2}(?:\.[0-9]{1,2})?", re.ASCII)
# Letters that hardly any language puts in one word: a code or a key without digits.
_UNSPEAKABLE = re.compile(r"[bcdfghjklmnpqrstvwxz]{6}|(?<![a-z])[bcdfghjklmnpqrstvwxz]{5,}(?![a-z])|[a-f]{8}")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PLURAL = re.compile(r"[a-z]{3,}(?<![siu])s")

# The part after one of these names one of many: a thing, a person, a secret, something that was searched for.
_COLLECTIONS = PEOPLE | frozenset(
    (
        *("article", "blog", "board", "book", "campaign", "case", "category", "channel", "chat"),
        *("collection", "community", "conversation", "course", "database", "deal", "device", "document"),
        *("entry", "event", "feed", "file", "folder", "form", "forum", "gallery", "game", "group"),
        *("image", "incident", "invoice", "issue", "item", "job", "label", "lead", "lesson", "library"),
        *("list", "meeting", "message", "model", "network", "node", "note", "object", "offer", "order"),
        *("page", "photo", "playlist", "post", "product", "profile", "project", "property", "question"),
        *("quiz", "record", "repo", "report", "repository", "resource", "room", "server", "service"),
        *("sheet", "shop", "site", "space", "store", "story", "survey", "table", "tag", "task", "team"),
        *("template", "tenant", "test", "thread", "ticket", "topic", "track", "transaction", "video"),
        *("view", "wiki", "workspace", "archive", "catalog", "class", "city", "country", "company"),
        *("business", "agency", "vendor", "brand", "artist", "host", "guest", "friend"),
        # Whoever or whatever stands behind these is searched for, invited, or proves something.
        *("search", "find", "filter", "query", "lookup", "results", "by", "for", "from", "to", "of"),
        *("with", "as", "invite", "invitation", "join", "accept", "reset", "verify", "verification"),
        *("confirm", "activate", "activation", "token", "code", "key", "share", "shared", "public"),
        *("embed", "link", "magic", "unsubscribe", "callback", "redirect", "go", "out", "referral"),
        *("ref", "claim", "redeem", "coupon", "gift", "download"),
        # People in other languages.
        *("benutzer", "nutzer", "kunde", "kunden", "mitarbeiter", "mitglied", "mitglieder", "person"),
        *("personen", "konto", "profil", "firma", "firmen", "projekt", "projekte", "utilisateur"),
        *("personne", "compte", "membre", "usuario", "cliente", "persona", "cuenta", "perfil", "miembro"),
        *("utente", "utenti", "clienti", "persone", "profilo", "gebruiker", "klant", "klanten"),
        *("medewerker", "profiel", "projecten", "progetti", "uzytkownik", "klient", "anvandare", "kund"),
        *("bruker", "kayttaja", "kullanici", "pengguna"),
    )
)
# Plurals that are no collections: sections of an app or a website.
_SECTIONS = frozenset(
    (
        *("settings", "preferences", "options", "docs", "guides", "tutorials", "features", "solutions"),
        *("details", "analytics", "statistics", "stats", "insights", "metrics", "terms", "news", "tools"),
        *("graphics",),
    )
)
# Words of pages, none of them anybody's name: kept wherever they stand.
_PAGES = frozenset(
    (
        *("about", "access", "account", "accounts", "actions", "active", "activity", "add", "advanced"),
        *("alerts", "all", "analysis", "analytics", "annual", "answers", "api", "appearance", "apps"),
        *("archive", "archived", "assigned", "attachments", "audit", "auth", "authentication"),
        *("automation", "automations", "avatar", "backlog", "backup", "backups", "balance", "basic"),
        *("billing", "board", "boards", "branches", "branding", "browse", "budget", "bulk", "calendar"),
        *("cart", "catalog", "categories", "changes", "chart", "charts", "chat", "checkout", "clone"),
        *("closed", "code", "comments", "commits", "compare", "complete", "completed", "compose"),
        *("config", "configuration", "configure", "confirm", "connect", "connections", "contact"),
        *("contacts", "content", "copy", "costs", "create", "credentials", "current", "custom"),
        *("customize", "daily", "dashboard", "dashboards", "data", "database", "default", "delete"),
        *("deleted", "delivery", "deployments", "design", "detail", "details", "developer", "developers"),
        *("devices", "discover", "discussion", "docs", "documents", "domains", "done", "download"),
        *("downloads", "drafts", "duplicate", "edit", "editor", "email", "environment", "environments"),
        *("error", "errors", "events", "expenses", "explore", "export", "exports", "factor", "faq"),
        *("favorites", "feed", "feedback", "fields", "files", "filter", "filters", "finance", "flow"),
        *("folders", "followers", "following", "form", "forms", "general", "goals", "groups", "guide"),
        *("guides", "health", "help", "history", "home", "hooks", "hourly", "images", "import"),
        *("imports", "inbox", "index", "info", "insights", "integration", "integrations", "inventory"),
        *("invitations", "invite", "invites", "invoices", "issues", "items", "jobs", "kanban", "keys"),
        *("labels", "language", "layout", "leave", "licence", "license", "limits", "link", "links"),
        *("list", "live", "log", "login", "logout", "logs", "manage", "management", "map", "marketplace"),
        *("me", "media", "members", "membership", "memberships", "messages", "metrics", "milestones"),
        *("monitor", "monitoring", "monthly", "move", "my", "network", "new", "news", "notes"),
        *("notification", "notifications", "online", "open", "options", "orders", "organization"),
        *("organizations", "outbox", "overview", "owner", "owners", "pages", "participants", "password"),
        *("payment", "payments", "pending", "people", "performance", "permissions", "personal", "photos"),
        *("pipeline", "pipelines", "plan", "planning", "plans", "plugins", "policies", "posts"),
        *("preferences", "preview", "pricing", "print", "privacy", "private", "products", "profile"),
        *("progress", "projects", "properties", "public", "publish", "pulls", "quality", "queue"),
        *("recent", "records", "register", "releases", "remove", "report", "reports", "requests"),
        *("reset", "resources", "results", "review", "reviews", "roadmap", "roles", "rules", "runs"),
        *("schedule", "schedules", "search", "security", "self", "send", "sent", "service", "services"),
        *("sessions", "settings", "setup", "share", "shared", "sharing", "shop", "shortcuts", "signin"),
        *("signup", "sprint", "sprints", "sso", "starred", "start", "started", "statistics", "stats"),
        *("status", "step", "steps", "stock", "storage", "subscription", "subscriptions", "success"),
        *("summary", "support", "system", "table", "tables", "tags", "tasks", "tax", "team", "teams"),
        *("telemetry", "templates", "terms", "test", "tests", "thanks", "theme", "tickets", "time"),
        *("timeline", "timer", "timesheet", "timesheets", "tokens", "tools", "topics", "transactions"),
        *("transfer", "trash", "trends", "tutorial", "two", "type", "types", "update", "updates"),
        *("upgrade", "upload", "uploads", "usage", "user", "users", "variables", "verify", "versions"),
        *("video", "videos", "view", "views", "webhooks", "weekly", "welcome", "widgets", "wiki"),
        *("workflow", "workflows", "workspace", "workspaces", "yearly"),
    )
)


def page_template(path: str) -> str:
    """A page's raw path as it may be stored, at most 255 characters; '' if it is no path."""
    path = path.strip()
    if not path.startswith(("/", "\\")) and "://" not in path:
        return ""
    return _page_template(path[:MAX_PATH].partition("?")[0])


@lru_cache(maxsize=8192)
def _page_template(path: str) -> str:
    safe: list[str] = []
    is_below = False  # a collection, or an id: from here on a word may be a name
    for segment in segments_of(path) or ():
        kept = not segment or (_is_page_word(segment) if is_below else _is_plain(segment))
        safe.append(segment if kept else ID)
        is_below = is_below or not kept or _is_collection(segment)
    return shortened("/" + "/".join(safe))


def _is_plain(segment: str) -> bool:
    """Whether a part of a path is a word, or a few, of which nothing looks like an id."""
    if _CAMEL_CASE.fullmatch(segment):  # else it may be a code, or `janeDoe`
        return _PAGES.issuperset(_words(segment))
    if _VERSION.fullmatch(segment):
        return True
    return (
        _PLAIN.fullmatch(segment) is not None
        and not is_id(segment)
        and _UNSPEAKABLE.search(segment.lower()) is None
    )


def _is_page_word(segment: str) -> bool:
    """Whether a part of a path says what a page is for, and cannot be anybody's name."""
    return _is_plain(segment) and _PAGES.issuperset(_words(segment))


def _is_collection(segment: str) -> bool:
    words = _words(segment)
    if len(segment) <= 1 or not words:
        return bool(segment)  # `/u/…`, `/r/…`
    last = words[-1]
    is_plural = _PLURAL.fullmatch(last) is not None and last not in _SECTIONS
    return is_plural or not _COLLECTIONS.isdisjoint(words)


def _words(segment: str) -> list[str]:
    """The words of a part of a path, in small letters, without its file extension."""
    return [word.lower() for word in _WORDS.findall(segment.partition(".")[0])]
