from django.apps import AppConfig
from django.core import checks


class HallmarkConfig(AppConfig):
    name = "hallmark_django"
    verbose_name = "Hallmark"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from . import conf, signals
        conf.load()  # what is wrong with it stops the site here, and not a user who signs up
        signals.connect()
        checks.register(conf.check)
