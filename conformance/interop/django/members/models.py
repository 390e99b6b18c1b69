"""A users' model of a site's own: other names, another kind of id."""
import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class Team(models.Model):
    name = models.CharField(max_length=30)


class Member(AbstractBaseUser, PermissionsMixin):
    uid = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    born = models.DateField(null=True)
    team = models.ForeignKey(Team, models.SET_NULL, null=True)

    objects = BaseUserManager()
    USERNAME_FIELD = "email"


class Admin(Member):
    class Meta:
        proxy = True
