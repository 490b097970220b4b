"""The settings of Countersign, in one file. Each environment variable is named once, here.

With no environment at all this is the embedded default: SQLite in SOAR_HOME, a worker on this machine, no server
to install. `SOAR_DATABASE_URL` and `SOAR_BROKER_URL` move it to PostgreSQL and a broker; `SOAR_PRODUCTION=true`
makes every unsafe default an error (soar/checks.py).
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from logging import LogRecord
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from soar import env

BASE_DIR = Path(__file__).resolve().parent.parent
SOAR_HOME = Path(env.text("SOAR_HOME", str(BASE_DIR / ".soar"))).absolute()
PRODUCTION = env.boolean("SOAR_PRODUCTION")
DEMO = env.boolean("SOAR_DEMO")
PORT = env.integer("SOAR_PORT", 8000)
BEHIND_PROXY = env.boolean("SOAR_BEHIND_PROXY")
BASE_URL = env.base_url("SOAR_URL", f"http://localhost:{PORT}")
BROKER_URL = env.text("SOAR_BROKER_URL")
EMBEDDED = not BROKER_URL

DEBUG = False
SECRET_KEY = env.text("SOAR_SECRET_KEY") or env.secret_file(SOAR_HOME / "secret-key")
# Encrypts the secrets of connections. Kept apart from SECRET_KEY, so that either can be rotated alone.
CONNECTION_KEY = env.text("SOAR_CONNECTION_KEY") or env.secret_file(SOAR_HOME / "connection-key")
ALLOWED_HOSTS = env.words("SOAR_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("SOAR_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "axes",
    "guardian",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "csp",
    "playbooks",
    "soar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "playbooks.web.refusing.RecordHidden",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "soar.urls"
WSGI_APPLICATION = "soar.wsgi.application"
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
                "playbooks.web.context.page",
            ],
            "libraries": {"countersign": "playbooks.web.tags"},
        },
    }
]

DATABASES = {"default": env.database("SOAR_DATABASE_URL", home=SOAR_HOME)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ATOMIC_REQUESTS = False

AUTH_USER_MODEL = "playbooks.Principal"
OWN_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
# The first one signs nobody in: it turns away who is locked out.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", OWN_BACKEND]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
ANONYMOUS_USER_NAME = None  # guardian: nobody anonymous has any right
SILENCED_SYSTEM_CHECKS = [
    "guardian.W001"
]  # access/ asks guardian itself; no backend may answer for a superuser
ACCOUNT_ADAPTER = "playbooks.web.accounts.ClosedAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = False  # axes counts failures, of passwords and of codes, for all processes together
MFA_RATE_LIMITS = False
MFA_ADAPTER = "playbooks.web.factors.Factors"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Countersign"
MFA_FORMS = {
    "authenticate": "playbooks.web.factors.AuthenticateForm",
    "reauthenticate": "playbooks.web.factors.ReauthenticateForm",
}
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"

# Sign-in through an identity provider; needs the extra `sso`. People come only by an identity that an administrator
# has linked: see web/single_sign_on.py.
OIDC_ISSUER = env.provider_address("SOAR_OIDC_ISSUER")
OIDC: dict[str, Any] = {
    "provider_id": "oidc",
    "name": env.text("SOAR_OIDC_NAME", "the identity provider"),
    "client_id": env.text("SOAR_OIDC_CLIENT_ID"),
    "secret": env.text("SOAR_OIDC_CLIENT_SECRET"),
    # Who somebody is comes from the signed token alone.
    "settings": {"server_url": OIDC_ISSUER, "fetch_userinfo": False, "oauth_pkce_enabled": True},
}
if OIDC_ISSUER:
    INSTALLED_APPS.append("allauth.socialaccount.providers.openid_connect")
# The same by SAML. What the provider says of itself is an address or a document, and names the provider by the issuer.
env.together("SOAR_SAML_ISSUER", "SOAR_SAML_METADATA")
env.needs("onelogin", extra="sso", name="SOAR_SAML_ISSUER")
SAML_ISSUER = env.text("SOAR_SAML_ISSUER")
SAML_METADATA = env.provider_metadata("SOAR_SAML_METADATA")
SAML_ENTITY_ID = env.text("SOAR_SAML_ENTITY_ID", f"{BASE_URL}/accounts/saml/metadata/")
SAML_SUBJECT = env.text("SOAR_SAML_SUBJECT")  # an attribute; without it the NameID says who somebody is
SAML: dict[str, Any] = {
    "provider_id": "saml",
    "client_id": "saml",
    "name": env.text("SOAR_SAML_NAME", "the identity provider"),
    "settings": {"attribute_mapping": {"uid": [SAML_SUBJECT]} if SAML_SUBJECT else {}},
}
if SAML_ISSUER:
    INSTALLED_APPS.append("allauth.socialaccount.providers.saml")
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"APPS": [OIDC] if OIDC_ISSUER else []},
    "saml": {"APPS": [SAML] if SAML_ISSUER else []},
}
SOCIALACCOUNT_ADAPTER = "playbooks.web.single_sign_on.Provisioned"
SOCIALACCOUNT_AUTO_SIGNUP = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False

# Sign-in with the password of a directory; needs the extra `ldap`. See web/directory.py.
env.together("SOAR_LDAP_URI", "SOAR_LDAP_BASE")
env.together("SOAR_LDAP_BIND_DN", "SOAR_LDAP_BIND_PASSWORD")
env.needs("ldap", extra="ldap", name="SOAR_LDAP_URI")
LDAP_URI = env.directory_address("SOAR_LDAP_URI")
LDAP_BASE = env.text("SOAR_LDAP_BASE")
LDAP_FILTER = env.search_filter("SOAR_LDAP_FILTER", "(uid=%(user)s)")
LDAP_BIND_DN = env.text("SOAR_LDAP_BIND_DN")
LDAP_BIND_PASSWORD = env.text("SOAR_LDAP_BIND_PASSWORD")
LDAP_CA_FILE = env.text("SOAR_LDAP_CA_FILE")
LDAP_STARTS_TLS = LDAP_URI.startswith("ldap://") and not env.is_local(LDAP_URI)
if LDAP_URI:
    AUTHENTICATION_BACKENDS.append("playbooks.web.directory.Directory")

AXES_HANDLER = "playbooks.web.lockout.Counter"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "playbooks.web.lockout.network_of"
AXES_USERNAME_CALLABLE = "playbooks.web.lockout.name_of"
AXES_LOCKOUT_CALLABLE = "playbooks.web.lockout.locked_out"
# What was typed is kept nowhere; the audit log says who tried, from where and when.
AXES_SENSITIVE_PARAMETERS = ["login", "password", "oldpassword", "code", "credential", "csrfmiddlewaretoken"]
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# What has to be known to every process for a while, such as the codes that were used.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "playbooks_cache"}
}

SESSION_ENGINE = "playbooks.access.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_AGE = 12 * 60 * 60
CSRF_COOKIE_SECURE = PRODUCTION
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
STATIC_ROOT = SOAR_HOME / "static"
WHITENOISE_USE_FINDERS = not PRODUCTION

# Notices: mail goes out where SOAR_EMAIL_URL is set. Links in them lead to SOAR_URL.
_MAIL = env.mail_server("SOAR_EMAIL_URL")
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = _MAIL.host
EMAIL_PORT = _MAIL.port
EMAIL_HOST_USER = _MAIL.user
EMAIL_HOST_PASSWORD = _MAIL.password
EMAIL_USE_TLS = _MAIL.encryption == "starttls"
EMAIL_USE_SSL = _MAIL.encryption == "tls"
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.text("SOAR_EMAIL_FROM", "countersign@localhost")
# A person may be told at services with a fixed address, and at servers that are named here; shared channels may be
# anywhere. Networks that are not public have to be named as well.
NOTICE_HOSTS = env.words("SOAR_NOTICE_HOSTS")
NOTICE_NETWORKS = env.words("SOAR_NOTICE_NETWORKS")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "playbooks.api.authentication.TokenAuthentication",
        "playbooks.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["playbooks.api.parsing.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "playbooks.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "playbooks.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_VERSIONING_CLASS": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign",
    "DESCRIPTION": "Security incident response: alerts, playbooks, approvals, an audit log that outsiders verify.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
}

CELERY_BROKER_URL = BROKER_URL or "memory://"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_BEAT_SCHEDULE = {"sweep": {"task": "playbooks.sweep", "schedule": 1.0, "options": {"expires": 5}}}
CELERY_BEAT_SCHEDULE_FILENAME = str(SOAR_HOME / "beat-schedule")


def _is_no_503(record: LogRecord) -> bool:
    """An answer of "not ready yet" is no error of the server, though Django logs it as one."""
    return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"defects": {"()": "django.utils.log.CallbackFilter", "callback": _is_no_503}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["defects"]},
    },
    "root": {"handlers": ["console"], "level": env.log_level("SOAR_LOG_LEVEL", "WARNING")},
    "loggers": {
        "playbooks": {"level": env.log_level("SOAR_LOG_LEVEL", "INFO")},
        "axes": {"level": "ERROR"},  # what it would say of each failure is in the audit log
    },
}
