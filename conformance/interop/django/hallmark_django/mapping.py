"""What becomes of a user at Hallmark: the same as with `hallmark user import`."""
import json
import uuid
from typing import NamedTuple

from django.contrib.auth.models import Group, Permission
from django.core.exceptions import FieldDoesNotExist
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.encoding import is_protected_type

LISTS = {"role": "roles", "group": "groups", "entitlement": "entitlements"}


class Rule(NamedTuple):
    source: str  # staff, superuser, group, permission
    pattern: str  # a name, or a beginning and "*"
    target: str  # role, group, entitlement, none
    name: str

    def apply(self, source, name):
        """The name that a name becomes; None where the rule is not about it."""
        if source != self.source:
            return None
        if self.pattern.endswith("*") and name.startswith(self.pattern[:-1]):
            return self.name.replace("*", name[len(self.pattern) - 1:], 1)
        return self.name if self.pattern == name else None


DEFAULTS = [
    Rule("staff", "", "role", "staff"), Rule("superuser", "", "role", "superuser"),
    Rule("group", "*", "group", "*"), Rule("permission", "*", "entitlement", "*"),
]


def parse_rule(text):
    at = max(text.rfind(f"={target}:") for target in LISTS)
    if at < 0 and text.endswith("=none"):
        at = len(text) - len("=none")
    source, _, pattern = text[:max(at, 0)].partition(":")
    target, _, name = text[at + 1:].partition(":")
    named = source in ("group", "permission")
    if (
        at < 0 or not named and source not in ("staff", "superuser")
        or named != (pattern != "") or (target == "none") != (name == "")
        or "*" in pattern[:-1] or name.count("*") > 1 or "*" in name and not pattern.endswith("*")
    ):
        raise ValueError(f"HALLMARK: MAP has {text!r}, which is no rule of `hallmark user import --map`")
    return Rule(source, pattern, target, name)


class Lists:
    """A user's roles, groups and entitlements. Those that nothing leads to are not there: they stay as they are."""

    def __init__(self, rules):
        self.rules, self.lists = rules + DEFAULTS, {}

    def take(self, source, names):
        for rule in self.rules:
            if rule.source == source:
                if rule.target != "none":
                    self.lists.setdefault(LISTS[rule.target], [])
                if rule.pattern in ("", "*"):  # nothing gets past it
                    break
        for name in names:
            rule, made = next((r, m) for r in self.rules if (m := r.apply(source, name)) is not None)
            if rule.target != "none" and made not in self.lists[LISTS[rule.target]]:
                self.lists[LISTS[rule.target]].append(made)


def foreign_id(user, config):
    """The id as text, as Hallmark knows it."""
    return str(user.serializable_value(config.id_field))


def linked(model, name, to):
    """Whether a users' model has the groups or permissions of Django."""
    try:
        return model._meta.get_field(name).remote_field.model is to
    except (FieldDoesNotExist, AttributeError):
        return False


def body(user, config):
    """What the operators' API is sent of a user, and the free claims: to set, and to drop."""
    lists = Lists(config.rules)
    for source, field in (("staff", "is_staff"), ("superuser", "is_superuser")):
        if has(user, field):
            lists.take(source, [""] if getattr(user, field) else [])
    permissions, grouped = set(), linked(type(user), "groups", Group)
    names = ("content_type__app_label", "codename")
    if grouped:
        groups = list(user.groups.using(user._state.db).all())
        lists.take("group", sorted(g.name for g in groups))
        permissions.update(Permission.objects.using(user._state.db).filter(group__in=groups).values_list(*names))
    if permitted := linked(type(user), "user_permissions", Permission):
        permissions.update(user.user_permissions.using(user._state.db).values_list(*names))
    if grouped or permitted:
        lists.take("permission", sorted(".".join(p) for p in permissions))
    sent = {
        "username": str(user.serializable_value(config.username_field)),
        "password_hash": user.password or "!",  # an empty one is no password in Django
        **lists.lists,
    }
    if has(user, "is_active"):
        sent["disabled"] = not user.is_active
    return sent, *claims(user, config)


def has(user, field):
    return any(f.name == field for f in user._meta.concrete_fields)


def claims(user, config):
    wanted, drop = {}, []
    for claim, name in config.claims.items():
        field = user._meta.get_field(name)
        value = field.value_from_object(user)
        if not is_protected_type(value):  # as dumpdata writes it
            value = field.value_to_string(user)
        if value is None or value == "":
            drop.append(claim)
        else:
            wanted[claim] = json.loads(json.dumps(value, cls=DjangoJSONEncoder))
    if config.id_claim:
        key = user.serializable_value(config.id_field)
        wanted[config.id_claim] = str(key) if isinstance(key, uuid.UUID) else key
    return wanted, drop
