"""Writing down what has changed, in the transaction that changes it."""
import logging

from django.contrib.auth import get_user_model
from django.db import transaction

from . import conf, sender
from .mapping import foreign_id
from .models import Change

log = logging.getLogger("hallmark_django")

CHUNK = 500


def add(kind, keys, using, wake=True):
    rows = []
    for key in keys:
        if len(key) > Change._meta.get_field("key").max_length:
            log.error("a user's id has %d characters, which Hallmark does not take", len(key))
        else:
            rows.append(Change(kind=kind, key=key))
    Change.objects.using(using).bulk_create(rows, batch_size=CHUNK)
    if wake:
        transaction.on_commit(lambda: sender.wake(using), using=using)


def add_user(user, using):
    add(Change.USER, [foreign_id(user, conf.load())], using)


def add_group(group, using):
    """The members, whom the sender will look up: they may be many."""
    add(Change.GROUP, [str(group.pk)], using)


def add_users(users, wake=True):
    """All of a queryset, some at a time."""
    field = conf.load().id_field
    users, last = users.order_by(field), None
    while True:
        some = users if last is None else users.filter(**{field + "__gt": last})
        keys = list(some.values_list(field, flat=True)[:CHUNK])
        if not keys:
            return
        add(Change.USER, map(str, keys), users.db, wake)
        last = keys[-1]


def add_users_by_pk(model, pks, using):
    pks = list(pks)
    for at in range(0, len(pks), CHUNK):  # databases limit how many can be named
        add_users(model._base_manager.using(using).filter(pk__in=pks[at:at + CHUNK]))


def add_members(group, using):
    add_users(get_user_model()._base_manager.using(using).filter(groups=group))
