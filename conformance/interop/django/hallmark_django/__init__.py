"""Tells Hallmark of a site's users as they change, and takes its tokens: docs/django.md."""


def push(users):
    """Have the users of a queryset sent: for changes that send no signals.

    Those are QuerySet.update(), bulk_create(), bulk_update() and SQL.
    """
    from django.db import router

    from . import outbox  # models can be imported once the apps are ready
    outbox.add_users(users.using(router.db_for_write(users.model)))
