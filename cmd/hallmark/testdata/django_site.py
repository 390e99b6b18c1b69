#!/usr/bin/python3
"""A real Django site for the tests of the import and the export.

django_site.py DATABASE make              migrate, and make users: prints [{id, username, password}]
django_site.py DATABASE dumpdata ARGS...  what manage.py does
django_site.py DATABASE loaddata FILE
django_site.py DATABASE check             reads {username: password}, prints who can sign in

DATABASE is a file of SQLite, or DIR:NAME of a PostgreSQL server's socket.
Exit code 3: Django or what it needs is not here.
"""
import json
import os
import sys

database, command, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]

try:
    import argon2, bcrypt  # noqa: the hashers want them
    import django
    from django.conf import settings
    if ":" in database:
        import psycopg2  # noqa
except ImportError as e:
    print(e, file=sys.stderr)
    sys.exit(3)

if ":" in database:
    host, name = database.split(":")
    db = {"ENGINE": "django.db.backends.postgresql", "HOST": host, "NAME": name, "USER": "site", "PASSWORD": os.environ.get("PGPASSWORD", "")}
else:
    db = {"ENGINE": "django.db.backends.sqlite3", "NAME": database}

HASHERS = {
    "pbkdf2_sha256": "PBKDF2PasswordHasher", "pbkdf2_sha1": "PBKDF2SHA1PasswordHasher", "argon2": "Argon2PasswordHasher",
    "bcrypt": "BCryptPasswordHasher", "bcrypt_sha256": "BCryptSHA256PasswordHasher", "scrypt": "ScryptPasswordHasher",
    "md5": "MD5PasswordHasher",
}
from django.contrib.auth import hashers as known
available = {name: c for name, c in HASHERS.items() if hasattr(known, c)}  # scrypt came with Django 4.0

settings.configure(
    DATABASES={"default": db}, INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers." + c for c in available.values()],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField", USE_TZ=True, SECRET_KEY="of a test",
)
django.setup()

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command


def scrypt(password):
    """As Django 4.0 and later write it."""
    import base64
    import hashlib
    key = hashlib.scrypt(password.encode(), salt=b"saltsalt", n=2**14, r=8, p=1, maxmem=64 << 20, dklen=64)
    return "scrypt$16384$saltsalt$8$1$" + base64.b64encode(key).decode()


def make():
    call_command("migrate", verbosity=0)
    editors, staff = Group.objects.create(name="editors"), Group.objects.create(name="staff: ünïcode, \"quoted\"")
    editors.permissions.add(Permission.objects.get(codename="change_group"))
    made, user = [], get_user_model()
    for name in HASHERS:
        password = "the password of %s" % name
        u = user(username="by-" + name, email=name + "@example.com", first_name="Fïrst", is_staff=name == "bcrypt", is_superuser=name == "argon2")
        u.password = make_password(password, hasher=name) if name in available else scrypt(password)
        u.save()
        u.groups.set([editors, staff] if name == "scrypt" else [editors] if name == "bcrypt" else [])
        if name == "scrypt":
            u.user_permissions.add(Permission.objects.get(codename="add_user"))
        made.append({"id": u.pk, "username": u.username, "password": password})
    user.objects.create_user("nobody")  # unusable
    gone = user.objects.create_user("gone", password="the password of gone")
    gone.is_active = False
    gone.save()
    beyond = user(username="beyond", password="pbkdf2_sha256$9000000$NaCl$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    beyond.save()
    print(json.dumps(made))


if command == "make":
    make()
elif command == "check":
    passwords = json.load(sys.stdin)
    print(json.dumps([name for name, pw in passwords.items() if authenticate(username=name, password=pw)]))
else:
    call_command(command, *arguments)
