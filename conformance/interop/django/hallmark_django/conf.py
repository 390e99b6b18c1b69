"""The setting HALLMARK: a dict, whose keys are those of Config in capitals."""
import dataclasses
import re
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured

from .mapping import parse_rule

OLD_TOKEN = "hallmark_django.tokens.OldToken"


@dataclasses.dataclass(frozen=True)
class Config:
    operators_url: str = ""  # of the operators' listener; without it changes are recorded and wait
    token: str = dataclasses.field(default="", repr=False)
    token_file: str = ""  # read each time, so that a token is replaced without a restart
    ca_file: str = ""  # the listener's certificate authority, if it is not one of the system's
    timeout: float = 5  # seconds, of everything that waits for the network
    thread: bool = True  # whether the site's processes send by themselves

    # As the flags of `hallmark user import`.
    map: list = dataclasses.field(default_factory=list)
    claims: dict = dataclasses.field(default_factory=dict)
    name_field: str = ""  # USERNAME_FIELD of the model
    id_field: str = "pk"
    id_claim: str = "user_id"

    # For tokens.py.
    issuer: str = ""
    audience: str = ""
    algorithm: str = "RS256"
    jwk_url: str = ""  # the issuer's
    keys_max_age: int = 300  # seconds
    old_tokens_until: str = ""  # ISO 8601 with an offset

    @property
    def rules(self):
        return [parse_rule(text) for text in self.map]

    @property
    def username_field(self):
        return self.name_field or get_user_model().USERNAME_FIELD

    def operator_token(self):
        token = Path(self.token_file).read_text().strip() if self.token_file else self.token
        if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", token):  # or http.client would quote it in an error
            raise ImproperlyConfigured("HALLMARK: TOKEN or the file TOKEN_FILE has to hold an operator token")
        return token

    def old_tokens_end(self):
        """From when on old tokens are refused."""
        try:
            end = datetime.fromisoformat(self.old_tokens_until)
        except (TypeError, ValueError):
            end = None
        if end is None or end.utcoffset() is None:
            raise ImproperlyConfigured("HALLMARK: OLD_TOKENS_UNTIL has to be such as 2027-03-01T00:00:00+00:00")
        return end

    def check_tokens(self):
        """Refuse what would fail with the first old token."""
        if self.old_tokens_until or OLD_TOKEN in getattr(settings, "SIMPLE_JWT", {}).get("AUTH_TOKEN_CLASSES", ()):
            self.old_tokens_end()


def load():
    given = {name.lower(): value for name, value in getattr(settings, "HALLMARK", {}).items()}
    unknown = given.keys() - {f.name for f in dataclasses.fields(Config)}
    if unknown:
        raise ImproperlyConfigured("HALLMARK has no setting " + ", ".join(sorted(unknown)).upper())
    return Config(**{name: value for name, value in given.items() if value is not None})


def check(app_configs, **kwargs):
    """What `manage.py check` says."""
    try:
        config = load()
        config.rules
    except (ImproperlyConfigured, ValueError) as e:
        return [checks.Error(str(e), id="hallmark.E001")]
    found = []
    try:
        config.check_tokens()
    except ImproperlyConfigured as e:
        found.append(checks.Error(str(e), id="hallmark.E004"))
    model = get_user_model()
    for field in [config.username_field, *config.claims.values()] + [config.id_field] * (config.id_field != "pk"):
        try:
            model._meta.get_field(field)
        except FieldDoesNotExist:
            found.append(checks.Error(f"HALLMARK names the field {field}, which {model._meta.label} does not have", id="hallmark.E002"))
    url = urlsplit(config.operators_url)
    if config.operators_url and url.scheme not in ("http", "https"):
        found.append(checks.Error("HALLMARK: OPERATORS_URL has to be such as https://login.internal:8081", id="hallmark.E003"))
    if url.scheme == "http" and url.hostname not in ("127.0.0.1", "::1", "localhost"):
        found.append(checks.Warning(
            "HALLMARK: the operator token and hashes of passwords go to OPERATORS_URL in clear",
            hint="Give the listener TLS (--ops-tls-cert) and write https.", id="hallmark.W001",
        ))
    return found
