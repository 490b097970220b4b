"""Somebody outside who talks to an installation over HTTP: signed in, with a token, or neither."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

API = "/api/v1/"
PATIENCE = 30.0  # seconds


class Client:
    """`get` and `post` take paths beneath the API and return what was answered, which has to be a success."""

    def __init__(self, url: str, *, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False)

    def sign_in(self, username: str, password: str) -> Client:
        """Through the form, as a person does."""
        self.http.get("/accounts/login/").raise_for_status()
        form = {
            "login": username,
            "password": password,
            "csrfmiddlewaretoken": self.http.cookies["csrftoken"],
        }
        answer = self.http.post("/accounts/login/", data=form)
        assert answer.status_code == 302, answer.text
        return self

    def get(self, path: str, **query: Any) -> Any:
        return _value(self.http.get(API + path, params=query))

    def post(self, path: str, body: Any = None) -> Any:
        return _value(self.http.post(API + path, json=body or {}, headers=self._csrf()))

    def post_text(self, path: str, text: str) -> Any:
        """A playbook, as YAML."""
        headers = {**self._csrf(), "Content-Type": "text/yaml"}
        return _value(self.http.post(API + path, content=text, headers=headers))

    def _csrf(self) -> Mapping[str, str]:
        token = self.http.cookies.get("csrftoken")
        return {"X-CSRFToken": token} if token else {}


def _value(answer: httpx.Response) -> Any:
    assert answer.is_success, (
        f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    )
    return answer.json()
