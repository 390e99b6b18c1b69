"""A Django REST framework API that takes Hallmark's access tokens and has the users' rows: python3 resource_server.py PORT DATABASE"""
import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.urls import path

ISSUER = os.environ["ISSUER"]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(32).hex(),  # this API signs nothing
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["hallmark_django.authentication.Authentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    },
    SIMPLE_JWT={
        "ALGORITHM": "RS256",  # Simple JWT takes one: give the client that calls this API the same
        "JWK_URL": ISSUER + "/.well-known/jwks.json",
        "ISSUER": ISSUER,
        "AUDIENCE": os.environ["AUDIENCE"],
        "USER_ID_CLAIM": "user_id",
        "USER_ID_FIELD": "id",
        "TOKEN_TYPE_CLAIM": "token_type",
    },
)

import django

django.setup()

from jwt import PyJWKClient
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework_simplejwt.state import token_backend

# How many seconds keys are kept, and so how long a revoked one may still be good.
token_backend.jwks_client = PyJWKClient(settings.SIMPLE_JWT["JWK_URL"], lifespan=int(os.environ.get("JWKS_MAX_AGE", "300")))


@api_view()
def me(request):
    return Response({"id": request.user.pk, "user": request.user.get_username()})


urlpatterns = [path("me", me)]

if __name__ == "__main__":
    execute_from_command_line(["resource_server.py", "runserver", "--noreload", "127.0.0.1:" + sys.argv[1]])
