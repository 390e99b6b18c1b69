"""A Django site that makes tokens with Simple JWT as before, and takes Hallmark's beside them: python3 both_tokens.py PORT DATABASE"""
import json
import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["SECRET_KEY"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2], "OPTIONS": {"timeout": 60}}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    PASSWORD_HASHERS=["members.quick.Quick"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "rest_framework_simplejwt"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["hallmark_django.authentication.Authentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    },
    SIMPLE_JWT={  # as it was, but for:
        "AUTH_TOKEN_CLASSES": ["hallmark_django.tokens.HallmarkToken", "hallmark_django.tokens.OldToken"],
    },
    HALLMARK={
        "ISSUER": os.environ["ISSUER"],
        "AUDIENCE": os.environ["AUDIENCE"],
        "ALGORITHM": "RS256",  # that of the client
        "OLD_TOKENS_UNTIL": os.environ["OLD_TOKENS_UNTIL"],
        **json.loads(os.environ.get("HALLMARK", "{}")),
    },
)

import django

django.setup()

from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework_simplejwt.views import token_obtain_pair


@api_view()
def me(request):
    return Response({"id": request.user.pk, "user": request.user.get_username()})


urlpatterns = [path("api/token/", token_obtain_pair), path("me", me)]

if __name__ == "__main__":
    execute_from_command_line(["both_tokens.py", "runserver", "--noreload", "127.0.0.1:" + sys.argv[1]])
