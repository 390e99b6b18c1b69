"""A Django site whose users sign in with Simple JWT: python3 simplejwt.py PORT DIRECTORY

With ISSUER and AUDIENCE in the environment its API takes that issuer's access
tokens instead of its own. The users come from standard input as JSON; the
directory gets the database, and users.json as dumpdata writes it.
"""
import json
import os
import sys
from datetime import timedelta

from django.conf import settings
from django.core.management import call_command
from django.urls import path

rotating = os.environ.get("ROTATE") == "yes"
simple_jwt = {
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=int(os.environ.get("ACCESS_LIFETIME", "300"))),
    "ROTATE_REFRESH_TOKENS": rotating,
    "BLACKLIST_AFTER_ROTATION": rotating,
    "USER_ID_CLAIM": "user_id",
}
if "ISSUER" in os.environ:
    simple_jwt |= {
        "ALGORITHM": os.environ.get("ALGORITHM", "RS256"),
        "JWK_URL": os.environ["ISSUER"] + "/.well-known/jwks.json",
        "ISSUER": os.environ["ISSUER"],
        "AUDIENCE": os.environ["AUDIENCE"],
    }

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="simplejwt",
    SECRET_KEY=os.environ["SECRET_KEY"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2] + "/db", "OPTIONS": {"timeout": 60}}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes",
        "rest_framework", "rest_framework_simplejwt", "rest_framework_simplejwt.token_blacklist",
    ],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    SIMPLE_JWT=simple_jwt,
    # The work factor is the users' own affair; the tests sign in often.
    PASSWORD_HASHERS=["simplejwt.Quick"],
)

import django
from django.contrib.auth.hashers import PBKDF2PasswordHasher


class Quick(PBKDF2PasswordHasher):
    iterations = 5000


if __name__ == "__main__":
    sys.modules["simplejwt"] = sys.modules["__main__"]
django.setup()

from django.contrib.auth.models import User
from django.http import JsonResponse
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework_simplejwt.views import (
    token_blacklist, token_obtain_pair, token_refresh, token_verify,
)


@api_view()
def me(request):
    return Response({"user": request.user.username, "id": request.user.id})


def change(request, name, what):
    """What happens to users while they are signed in."""
    user = User.objects.get(username=name)
    if what == "disable":
        user.is_active = False
    elif what == "password":
        user.set_password("changed " + name)
    user.save()
    return JsonResponse({})


urlpatterns = [
    path("api/token/", token_obtain_pair),
    path("api/token/refresh/", token_refresh),
    path("api/token/verify/", token_verify),
    path("api/token/blacklist/", token_blacklist),
    path("me", me),
    path("change/<name>/<what>", change),
]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    for user in json.load(sys.stdin):
        User.objects.create_user(user["username"], password=user["password"], is_active=user.get("active", True))
    call_command("dumpdata", "auth.user", output=sys.argv[2] + "/users.json", verbosity=0)
    call_command("runserver", "127.0.0.1:" + sys.argv[1], use_reloader=False)
