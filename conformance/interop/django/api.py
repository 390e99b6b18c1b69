"""A Django REST framework API that takes Hallmark's access tokens: python3 api.py PORT"""
import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(32).hex(),  # this API signs nothing
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    },
    SIMPLE_JWT={
        "ALGORITHM": "ES256",  # SimpleJWT takes one: give the client that calls this API the same
        "JWK_URL": os.environ["ISSUER"] + "/.well-known/jwks.json",
        "ISSUER": os.environ["ISSUER"],
        "AUDIENCE": os.environ["AUDIENCE"],
        "USER_ID_CLAIM": "sub",
        "AUTH_TOKEN_CLASSES": ["rest_framework_simplejwt.tokens.UntypedToken"],
    },
)

import django

django.setup()

from rest_framework.decorators import api_view
from rest_framework.response import Response


@api_view()
def me(request):
    return Response({"sub": request.user.id})


urlpatterns = [path("me", me)]

if __name__ == "__main__":
    execute_from_command_line(["api.py", "runserver", "--noreload", "127.0.0.1:" + sys.argv[1]])
