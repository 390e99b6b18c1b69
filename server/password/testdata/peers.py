"""Hashes by the software that we take them over from, one JSON object a line:
{"by", "hash", "tries": [[password, whether that software accepts it], ...]}.

usage: python3 peers.py django|django-argon2|django-bcrypt|passlib

Exit status 3 and a line on standard error when the software is not here.
"""
import json
import sys
import unicodedata

PASSWORDS = [
    "swordfish",
    "p\u00e4ssw\u00f6rd \u20ac\U0001F600",
    "cafe\u0301 au\u00a0lait",  # decomposed, with a no-break space
    " blank ",
    "tab\there",
    "rocket \U0001F469\u200d\U0001F680",  # an emoji of two with a joiner
    "0123456789abcdef" * 4 + "0123456",  # 71 bytes
    "0123456789abcdef" * 4 + "01234567",
    "0123456789abcdef" * 4 + "012345678",
    "\u00e9" * 36,
    "x" + "\u00e9" * 36,  # the 72nd byte is half a character
    "0123456789abcdef" * 64,  # 1 KiB
]


def tries(password):
    yield password
    if len(password.encode()) < 1024:
        yield password + "x"
    yield password[:-1]
    yield password + "\0"
    yield password + "\0" + password
    for form in ("NFC", "NFD"):
        yield unicodedata.normalize(form, password)
    yield password.replace("\u00a0", " ")
    if len(password) > 72:
        yield password[:72]
        yield password[:71]
        yield password[:72] + "other"


def show(by, hash, verify, tried):
    answers = {}
    for t in tried:
        if 0 < len(t.encode()) <= 1024:
            try:
                answers[t] = bool(verify(t, hash))
            except ValueError:  # NUL, to bcrypt and crypt; more than 72 bytes, to a bcrypt of 5.0 or later
                if "\0" in t:
                    answers[t] = False
    print(json.dumps({"by": by, "hash": hash, "tries": list(answers.items())}))


def with_django(names, needs=()):
    import django
    from django.conf import settings

    for library in needs:
        __import__(library)
    settings.configure(PASSWORD_HASHERS=["django.contrib.auth.hashers." + n for n in names.values()])
    from django.contrib.auth import hashers

    by = "Django %s " % django.get_version()
    cheap = {"iterations": 10, "rounds": 4, "time_cost": 2, "memory_cost": 64, "parallelism": 2, "work_factor": 16}
    for name in names:
        show(by + name, hashers.make_password("swordfish", hasher=name), hashers.check_password, ["swordfish"])
    for name in names:
        hasher = hashers.get_hasher(name)
        for setting, value in cheap.items():
            if hasattr(hasher, setting):
                setattr(hasher, setting, value)
        for password in PASSWORDS:
            try:
                made = hashers.make_password(password, hasher=name)
            except ValueError:  # as above
                continue
            show(by + name, made, hasher.verify, tries(password))
        if not name.startswith(("bcrypt", "argon2")):
            show(by + name, hashers.make_password("swordfish", salt="s\u00e4lt\u20ac .,=/+", hasher=name), hasher.verify, tries("swordfish"))
            show(by + name, hashers.make_password("swordfish", salt="s", hasher=name), hasher.verify, tries("swordfish"))
            try:
                print(hasher.encode("swordfish", ""), file=sys.stderr)
                sys.exit("an empty salt is possible")
            except (AssertionError, ValueError):
                pass
    show(by + "unusable", hashers.make_password(None), hashers.check_password, ["swordfish", "!"])


def with_passlib():
    import argon2
    import bcrypt
    import passlib
    from passlib import hash as h

    by = "passlib %s " % passlib.__version__
    for scheme in (h.pbkdf2_sha256, h.pbkdf2_sha512, h.scrypt, h.bcrypt, h.argon2, h.sha256_crypt, h.sha512_crypt):
        show(by + scheme.name, scheme.hash("swordfish"), scheme.verify, ["swordfish"])
    for scheme in (
        h.pbkdf2_sha256.using(rounds=10),
        h.pbkdf2_sha512.using(rounds=10, salt_size=5),
        h.scrypt.using(rounds=4),
        h.scrypt.using(rounds=3, block_size=1, parallelism=3),
        h.bcrypt.using(rounds=4, ident="2a"),
        h.bcrypt.using(rounds=4, ident="2b"),
        h.bcrypt.using(rounds=4, ident="2y"),
        h.argon2.using(type="id", time_cost=2, memory_cost=64, parallelism=2),
        h.argon2.using(type="i", time_cost=3, memory_cost=64, parallelism=1),
        h.sha256_crypt.using(rounds=1000),
        h.sha256_crypt.using(rounds=5000),
        h.sha512_crypt.using(rounds=1001),
        h.sha512_crypt.using(rounds=5000, salt_size=3),
    ):
        for password in PASSWORDS[:3] if "crypt" in scheme.name and scheme.default_rounds == 5000 else PASSWORDS:
            show(by + scheme.name, scheme.hash(password), scheme.verify, tries(password))


def main(peer):
    pbkdf2 = {"pbkdf2_sha256": "PBKDF2PasswordHasher", "pbkdf2_sha1": "PBKDF2SHA1PasswordHasher"}
    if peer == "django":
        from django.contrib.auth import hashers

        if hasattr(hashers, "ScryptPasswordHasher"):  # since 4.0
            pbkdf2["scrypt"] = "ScryptPasswordHasher"
        with_django(pbkdf2)
    elif peer == "django-argon2":
        with_django({"argon2": "Argon2PasswordHasher"}, ["argon2"])
    elif peer == "django-bcrypt":
        with_django({"bcrypt": "BCryptPasswordHasher", "bcrypt_sha256": "BCryptSHA256PasswordHasher"}, ["bcrypt"])
    elif peer == "passlib":
        with_passlib()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ImportError as e:
        print(e, file=sys.stderr)
        sys.exit(3)
