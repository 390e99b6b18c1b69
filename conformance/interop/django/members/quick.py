from django.contrib.auth.hashers import PBKDF2PasswordHasher


class Quick(PBKDF2PasswordHasher):
    """The work factor is the users' own affair; the tests sign in often."""

    iterations = 5000
