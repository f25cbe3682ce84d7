"""The one settings file. Everything an operator may set comes from the environment (see `.env.example`).

Importing this module never requires a variable. The embedded servers (`telemetry_site/embedded/`) put
their addresses and keys into the environment before Django starts, and `telemetry_site/checks.py`
refuses a production start without keys.
"""

import re
import secrets
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import environ  # type: ignore[import-untyped]
from csp.constants import NONE, SELF

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]

env = environ.Env()
environ.Env.read_env(str(BASE_DIR / ".env"))

UNREADABLE_SECRETS: dict[str, str] = {}  # by name: a sentence; `checks.py` refuses to start with one


def _secret(name: str) -> str:
    """A secret from the environment, or from the file that NAME_FILE names; '' if neither is set."""
    value, path = env.str(name, default=""), env.str(f"{name}_FILE", default="")
    if not path:
        return str(value)
    if value:
        UNREADABLE_SECRETS[name] = f"{name} and {name}_FILE are both set."
        return str(value)
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        UNREADABLE_SECRETS[name] = f"{name}_FILE cannot be read ({type(error).__name__})."
        return ""


# --- How this instance is run -------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
EMBEDDED = env.bool("CANDID_EMBEDDED", default=False)  # set by telemetry_site/embedded/ only
PRODUCTION = not DEBUG and not EMBEDDED and bool(env.str("DATABASE_URL", default=""))
DATA_DIR = Path(env.str("CANDID_DATA_DIR", default=str(BASE_DIR / "var")))
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")
OPERATOR_TOKEN = _secret("OPERATOR_TOKEN")  # for /metrics and the details of /ready

# --- Keys ---------------------------------------------------------------------------------------
# A missing key becomes a random one, so that tools can import the settings; a production start
# with such a key is refused by the checks candid.E001 and candid.E002. Each may come from a file: NAME_FILE.
SECRET_KEY = _secret("SECRET_KEY")
SECRET_KEY_IS_SET = bool(SECRET_KEY)
SECRET_KEY = SECRET_KEY or secrets.token_urlsafe(48)
ID_HASH_KEY = _secret("ID_HASH_KEY")
ID_HASH_KEY_IS_SET = bool(ID_HASH_KEY)
ID_HASH_KEY = ID_HASH_KEY or secrets.token_urlsafe(48)
CONSENT_LOG_KEY = _secret("CONSENT_LOG_KEY")  # else ID_HASH_KEY
KEEP_SHORT_KEYS = env.list("KEEP_SHORT_KEYS", default=[])  # names of keys older than the rule on length

# --- Databases, Redis ---------------------------------------------------------------------------
DATABASES = {
    "default": env.db_url("DATABASE_URL", default="postgres://candid@127.0.0.1/candid"),
    "analytics": env.db_url("ANALYTICS_DATABASE_URL", default="postgres://candid@127.0.0.1/candid_analytics"),
}
for database in DATABASES.values():
    database["CONN_MAX_AGE"] = 600  # seconds
    database["CONN_HEALTH_CHECKS"] = True
    database.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)  # seconds
    if socket_directory := database["OPTIONS"].pop("host", ""):  # postgres://user@/name?host=/directory
        database["HOST"] = socket_directory
PREPARED_STATEMENTS = env.bool("PREPARED_STATEMENTS", default=True)  # off behind a PgBouncer before 1.21
ANALYTICS_DATABASE_URL_IS_SET = bool(env.str("ANALYTICS_DATABASE_URL", default=""))
REDIS_URL_IS_SET = bool(env.str("REDIS_URL", default=""))
DATABASE_ROUTERS = ["analytics.router.AnalyticsRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")

# --- What is stored, and for whom -----------------------------------------------------------------
REPORT_TIME_ZONE = env.str("REPORT_TIME_ZONE", default="UTC")
EVENT_RETENTION_MONTHS = env.int("EVENT_RETENTION_MONTHS", default=12)  # months
SUPPRESS_BELOW = env.int("SUPPRESS_BELOW", default=5)  # distinct users
BASE_TELEMETRY_ENABLED = env.bool("BASE_TELEMETRY_ENABLED", default=True)
TELEMETRY_ENABLED = env.bool("TELEMETRY_ENABLED", default=True)
CONSENT_PROFILE_CLOUD = env.str("CONSENT_PROFILE_CLOUD", default="strict")
CONSENT_PROFILE_SELF_HOSTED = env.str("CONSENT_PROFILE_SELF_HOSTED", default="strict")
CONSENT_NOTICE_SINCE = env.str("CONSENT_NOTICE_SINCE", default="")  # ISO 8601, with a zone
ON_WITHDRAWAL = env.str("ON_WITHDRAWAL", default="erase")  # or keep
RECEIPTS_DIR = env.str("RECEIPTS_DIR", default="")  # where copies of erasure receipts are written
COLLECTED_FILE = env.str("COLLECTED_FILE", default="")
CONTROLLER_NAME = env.str("CONTROLLER_NAME", default="")  # who answers for the data, on receipts
CONTROLLER_CONTACT = env.str("CONTROLLER_CONTACT", default="")  # their postal or e-mail address
NEW_NAMES_PER_DAY = env.int("NEW_NAMES_PER_DAY", default=200)  # per key and kind of name

# --- Ingest -------------------------------------------------------------------------------------
OTLP_MAX_BODY_BYTES = env.int("OTLP_MAX_BODY_BYTES", default=64 * 1024 * 1024)
BODY_MEMORY_BYTES = env.int("BODY_MEMORY_BYTES", default=256 * 1024 * 1024)  # per web process
REQUESTS_WAITING = env.int("REQUESTS_WAITING", default=256)  # per web process
KEY_REQUESTS_PER_SECOND = env.int("KEY_REQUESTS_PER_SECOND", default=5000)  # 0: no limit
KEY_BYTES_PER_SECOND = env.int("KEY_BYTES_PER_SECOND", default=256 * 1024 * 1024)  # decompressed
PUBLISHABLE_KEY_REQUESTS_PER_SECOND = env.int("PUBLISHABLE_KEY_REQUESTS_PER_SECOND", default=500)
CONSENT_REQUESTS_PER_SECOND = env.int("CONSENT_REQUESTS_PER_SECOND", default=100)  # per key; 0: no limit
OTLP_CORS_ORIGINS = env.list("OTLP_CORS_ORIGINS", default=[])
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])

# --- Heartbeats sent by this instance -----------------------------------------------------------
HEARTBEAT_ENDPOINT = env.str("HEARTBEAT_ENDPOINT", default="").rstrip("/")
HEARTBEAT_KEY = _secret("HEARTBEAT_KEY")
HEARTBEAT_INTERVAL_SECONDS = env.int("HEARTBEAT_INTERVAL_SECONDS", default=300)
ANALYTICS_HOUR_UTC = env.int("ANALYTICS_HOUR_UTC", default=2)
LICENSE_CACHE_TTL_SECONDS = env.int("LICENSE_CACHE_TTL_SECONDS", default=3600)

# --- Django -------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "telemetry_site",
    "dashboards",
    "ingest",
    "analytics",
    "consent",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "telemetry_site.middleware.operators_first",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "dashboards.known_browsers.known_browsers",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "telemetry_site.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/dashboards/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

# --- Security -----------------------------------------------------------------------------------
# PUBLIC_URL decides. In production without one, https is assumed: forgetting it must not weaken anything.
_public = urlsplit(PUBLIC_URL)
HTTPS = _public.scheme == "https" if PUBLIC_URL else PRODUCTION
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or [
    "localhost",
    "127.0.0.1",
    "[::1]",
    *([_public.hostname] if _public.hostname else []),
]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if PUBLIC_URL else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 14 * 24 * 3600  # seconds
CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(otlp/)?v1/", r"^health$", r"^ready$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS and env.bool("HSTS_PRELOAD", default=False)
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # asks for HSTS_PRELOAD, which is the operator's choice
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:"],  # blob: is the PNG export of a plot
        "font-src": [SELF],
        "connect-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- API ----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Candid",
    "DESCRIPTION": "Reports, consent and privacy. Ingest speaks OTLP and has its own specification.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "ConsentState": ["granted", "denied", "unset"],
        "ErasureState": ["waiting", "running", "done"],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Celery -------------------------------------------------------------------------------------
# Kombu spells the address of a Unix socket, and the database's number in it, differently.
CELERY_BROKER_URL = re.sub(
    r"(?<=[?&])db=", "virtual_host=", REDIS_URL.replace("unix://", "redis+socket://", 1)
)
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = "UTC"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 3600  # seconds
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# --- Logs ---------------------------------------------------------------------------------------
# No address, user agent, header or body is ever logged (`log_lines.py`), and there is no access log.
# Beat's ticks and jobs with nothing to do are not logged either: the page Pipeline shows both.
IDLE_JOB = re.compile(r"^Task (analytics\.tasks\.tick\[|.* succeeded in .*: ''$)")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "telemetry_site.log_lines.PlainLines"}},
    "filters": {
        "no idle job": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: not IDLE_JOB.search(record.getMessage()),
        }
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["no idle job"]}
    },
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django.server": {"level": "WARNING"},
        # What a client asked for and did not get is counted, not logged: its address may hold an id.
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "django.template": {"level": "INFO"},  # at DEBUG it would log requests with their addresses
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
