"""What Django says about users, groups and permissions."""
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import FieldDoesNotExist
from django.db.models.signals import m2m_changed, post_save, pre_delete

from . import conf, outbox
from .mapping import linked


def connect():
    # Without a sender: proxies and children of the users' model are users too.
    post_save.connect(saved, dispatch_uid="hallmark_django")
    pre_delete.connect(deleted, dispatch_uid="hallmark_django")
    user = get_user_model()
    m2m_changed.connect(granted, sender=Group.permissions.through, dispatch_uid="hallmark_django")
    for name, to in (("groups", Group), ("user_permissions", Permission)):
        if linked(user, name, to):
            m2m_changed.connect(joined, sender=getattr(user, name).through, dispatch_uid="hallmark_django")


def saved(instance, created, using, update_fields=None, **kwargs):
    if isinstance(instance, get_user_model()):
        if created or update_fields is None or not watched().isdisjoint(update_fields):
            outbox.add_user(instance, using)
    elif isinstance(instance, Group) and not created:  # another name, perhaps
        outbox.add_group(instance, using)
    elif isinstance(instance, Permission) and not created:
        add_holders(instance, using)


def watched():
    """The fields that matter: a sign-in, which saves last_login, does not."""
    config, names = conf.load(), set()
    for name in (config.id_field, config.username_field, "password", "is_active", "is_staff", "is_superuser", *config.claims.values()):
        names.add(name)
        try:
            field = get_user_model()._meta.get_field(name)
            names.update((field.name, field.attname))  # update_fields may have either of a foreign key
        except (FieldDoesNotExist, AttributeError):
            pass
    return names


def deleted(instance, using, **kwargs):
    if isinstance(instance, get_user_model()):
        outbox.add_user(instance, using)
    elif isinstance(instance, Group) and linked(get_user_model(), "groups", Group):
        outbox.add_members(instance, using)  # now: nobody can tell later who they were
    elif isinstance(instance, Permission):
        add_holders(instance, using)


def add_holders(permission, using):
    model = get_user_model()
    for group in permission.group_set.using(using):
        outbox.add_group(group, using)
    if linked(model, "user_permissions", Permission):
        outbox.add_users(model._base_manager.using(using).filter(user_permissions=permission))


def joined(instance, action, reverse, model, pk_set, using, **kwargs):
    """Users got or lost groups or permissions."""
    if not reverse and action in ("post_add", "post_remove", "post_clear"):
        outbox.add_user(instance, using)
    elif reverse and action in ("post_add", "post_remove"):
        outbox.add_users_by_pk(model, pk_set, using)
    elif reverse and action == "pre_clear":
        name = "groups" if isinstance(instance, Group) else "user_permissions"
        outbox.add_users(model._base_manager.using(using).filter(**{name: instance}))


def granted(instance, action, reverse, pk_set, using, **kwargs):
    """Groups got or lost permissions."""
    if not reverse and action in ("post_add", "post_remove", "post_clear"):
        outbox.add_group(instance, using)
    elif reverse and action in ("post_add", "post_remove"):
        for group in Group.objects.using(using).filter(pk__in=pk_set):
            outbox.add_group(group, using)
    elif reverse and action == "pre_clear":
        for group in instance.group_set.using(using):
            outbox.add_group(group, using)
