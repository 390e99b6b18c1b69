"""Django OAuth Toolkit as the token server of an operator's own clients.

    python3 toolkit.py begin < FILE      makes the database and the key, with the users and clients of FILE
    python3 toolkit.py disable NAME      does what an administrator does to a user
    gunicorn toolkit:application         serves

DATABASE and ISSUER are in the environment; SETTINGS may have more for OAUTH2_PROVIDER, as JSON.
"""
import json
import os
import sys
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.http import require_http_methods
from jwcrypto import jwk

ISSUER, DATABASE = os.environ["ISSUER"], os.environ["DATABASE"]
KEY = Path(DATABASE + ".pem")

if sys.argv[1:] == ["begin"]:
    KEY.touch(mode=0o600)
    KEY.write_bytes(jwk.JWK.generate(kty="RSA", size=2048).export_to_pem(private_key=True, password=None))

settings.configure(
    DEBUG=bool(os.environ.get("DEBUG")),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(32).hex(),  # nothing is signed with it
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE, "OPTIONS": {"timeout": 30}}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    LOGGING={"version": 1, "handlers": {"console": {"class": "logging.StreamHandler"}}, "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.SHA1PasswordHasher"],  # cheap: there are hundreds of sign-ins
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": KEY.read_text(),
        "SCOPES": {"read": "read", "write": "write", "admin": "administer"},
        "DEFAULT_SCOPES": ["read", "write"],
        "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
        "REFRESH_TOKEN_EXPIRE_SECONDS": 86400,
        **json.loads(os.environ.get("SETTINGS", "{}")),
    },
)
application = get_wsgi_application()

from django.contrib.auth.models import User
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from oauth2_provider.models import get_application_model
from oauth2_provider.views import ScopedProtectedResourceView


@receiver(connection_created)
def hurry(connection, **_):
    """Does not wait for the disk: the database is thrown away."""
    connection.cursor().execute("PRAGMA synchronous = OFF")


@require_http_methods(["GET", "HEAD", "OPTIONS"])
def metadata(request):
    """What RFC 8414 asks for: the toolkit's document is that of OpenID Connect, and lacks half of the endpoints."""
    secrets = ["client_secret_basic", "client_secret_post"]
    response = JsonResponse({
        "issuer": ISSUER,
        "authorization_endpoint": ISSUER + "/authorize/",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "token_endpoint": ISSUER + "/token/",
        "token_endpoint_auth_methods_supported": secrets + ["none"],
        "grant_types_supported": ["authorization_code", "password", "refresh_token"],
        "scopes_supported": ["read", "write", "admin"],
        "jwks_uri": ISSUER + "/.well-known/jwks.json",
        "revocation_endpoint": ISSUER + "/revoke_token/",
        "revocation_endpoint_auth_methods_supported": secrets + ["none"],
        "introspection_endpoint": ISSUER + "/introspect/",
        "introspection_endpoint_auth_methods_supported": secrets,
    })
    response["Cache-Control"] = "max-age=300"
    response["Access-Control-Allow-Origin"] = "*"
    return response


class Me(ScopedProtectedResourceView):
    """An API that takes the tokens, as the toolkit's tutorial has it."""

    required_scopes = ["read"]

    def get(self, request):
        return HttpResponse(request.resource_owner.username)


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path(".well-known/oauth-authorization-server/o", metadata),
    path("me", Me.as_view()),
]


def begin():
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    given = json.load(sys.stdin)
    for name, password in given["users"].items():
        User.objects.create_user(name, password=password)
    for client in given["clients"]:
        get_application_model().objects.create(**client)


if __name__ == "__main__":
    if sys.argv[1] == "begin":
        begin()
    else:
        User.objects.filter(username=sys.argv[2]).update(is_active=False)
