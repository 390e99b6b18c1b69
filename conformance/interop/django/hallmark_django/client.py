"""The operators' API of Hallmark, as far as users go: docs/operators-api.md there."""
import http.client
import json
import ssl
import urllib.error
import urllib.request
from urllib.parse import quote

MAX_ANSWER = 1 << 20  # bytes


class Away(Exception):
    """Nothing can be sent now, of anybody."""


class Refused(Exception):
    """This user is refused, as long as nothing changes."""

    def __init__(self, status, problems):
        self.status, self.fields = status, {p["field"] for p in problems}
        super().__init__("; ".join(f"{p['field']}: {p['advice']}" for p in problems) or f"it answered {status}")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Nobody else is to see the token, and nobody else's keys are taken."""

    def redirect_request(self, *args, **kwargs):
        return None


class Operators:
    def __init__(self, config):
        self.url, self.timeout = config.operators_url.rstrip("/"), config.timeout
        self.token = config.operator_token()
        handlers = [urllib.request.ProxyHandler({}), NoRedirect]
        if self.url.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=config.ca_file or None)))
        self.opener = urllib.request.build_opener(*handlers)

    def put(self, foreign_id, body, claims, drop):
        """Make a user so. Free claims that the site does not fill stay as they are."""
        for _ in range(2):  # somebody may remove the user meanwhile
            user = self.find(foreign_id)
            if user is None:
                return self.call("PUT", "/users/by-foreign-id/" + quote(foreign_id, safe=""), {**body, "extra": claims})
            before = user.get("extra") or {}
            extra = {name: value for name, value in {**before, **claims}.items() if name not in drop}
            change = body if extra == before else {**body, "extra": extra}
            if self.call("PATCH", "/users/" + user["sub"], change) is not None:
                return
        raise Away("the user comes and goes")

    def change(self, foreign_id, body):
        """Change a user who is there."""
        user = self.find(foreign_id)
        if user is not None:
            self.call("PATCH", "/users/" + user["sub"], body)

    def remove(self, foreign_id):
        user = self.find(foreign_id)
        if user is not None:
            self.call("DELETE", "/users/" + user["sub"])

    def find(self, foreign_id):
        answer = self.call("GET", "/users?foreign_id=" + quote(foreign_id, safe=""))
        if not isinstance(answer, dict) or "users" not in answer:
            raise Away(f"{self.url} is not the operators' listener of Hallmark")
        return answer["users"][0] if answer["users"] else None

    def call(self, method, path, body=None):
        """The answer; None where there is no such user."""
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": "Bearer " + self.token, "Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with self.opener.open(request, timeout=self.timeout) as answer:
                return json.loads(answer.read(MAX_ANSWER))
        except urllib.error.HTTPError as e:
            with e:
                return self.no(e)
        except (OSError, http.client.HTTPException, ValueError) as e:
            raise Away(f"{self.url}: {e}") from None

    def no(self, e):
        if e.code == 404:
            return None
        try:
            problems = json.loads(e.read(MAX_ANSWER)).get("problems", [])
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            problems = []
        if e.code in (400, 413) or e.code == 409 and problems:
            raise Refused(e.code, problems)
        if e.code in (401, 403):
            raise Away(f"the operator token is refused ({e.code}): it is unknown or expired, or lacks the scope users")
        raise Away(f"{self.url} answered {e.code}")
