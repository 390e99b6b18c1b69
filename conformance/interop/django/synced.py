"""A Django site that tells Hallmark of its users.

    python3 synced.py DATABASE           reads lines, JSON texts with Python, and does what they say
    python3 synced.py DATABASE COMMAND…  what manage.py does

HALLMARK in the environment has more of that setting as JSON, AUTH_USER_MODEL
another users' model. A line is answered with JSON: what it left in answer, its error,
and the seconds that it took.
"""
import json
import os
import sys
import time
import traceback

import django
from django.conf import settings
from django.core.management import execute_from_command_line

model = os.environ.get("AUTH_USER_MODEL", "auth.User")
apps = [] if model == "auth.User" else ["members"]
more = json.loads(os.environ.get("HALLMARK", "{}"))
settings.configure(
    DATABASES={"default": {"ENGINE": "members.sqlite", "NAME": sys.argv[1], "OPTIONS": {"timeout": 60}}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
    SECRET_KEY="of a test",
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        *apps,
        "hallmark_django",
    ],
    HALLMARK={
        "OPERATORS_URL": os.environ["OPERATORS_URL"],  # such as https://login.internal:8081
        "TOKEN_FILE": os.environ["TOKEN_FILE"],
        "CLAIMS": {"email": "email"},  # as --claim and --map of `hallmark user import`
        "MAP": ["group:editors=role:editor", "staff=group:office"],
        **more,
    },
    AUTH_USER_MODEL=model,
    PASSWORD_HASHERS=["members.quick.Quick", "django.contrib.auth.hashers.MD5PasswordHasher"],
)
django.setup()


def converse():
    from django.contrib.auth import get_user_model
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import Group, Permission
    from django.db import transaction
    from hallmark_django import mapping, push
    from hallmark_django.models import Change
    known = dict(globals(), User=get_user_model(), **locals())
    for line in sys.stdin:
        known["answer"], began = None, time.monotonic()
        try:
            exec(json.loads(line), known)
            said = {"answer": known["answer"]}
        except Exception:
            said = {"error": traceback.format_exc()}
        print(json.dumps({**said, "seconds": time.monotonic() - began}), flush=True)


if len(sys.argv) > 2:
    execute_from_command_line(["manage.py", *sys.argv[2:]])
else:
    converse()
