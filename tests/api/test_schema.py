"""The description of the API: valid OpenAPI 3.1, without a warning, and what is stored in docs/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework.renderers import JSONRenderer

from playbooks.api import urls
from playbooks.domain.schema import json_schema
from tests.api.callers import session
from tests.cast import Cast

STORED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
AGAIN = "manage.py spectacular --format openapi-json --validate --fail-on-warn --file docs/openapi.json"
UNDESCRIBED = {"", "schema/", "playbooks/schema/"}


@pytest.fixture(scope="module")
def schema() -> Any:
    with GENERATOR_STATS.silence():
        made = SchemaGenerator().get_schema(request=None, public=True)
        assert not GENERATOR_STATS
    return json.loads(JSONRenderer().render(made))


def test_the_schema_is_valid_openapi(schema: Any) -> None:
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)


def test_the_stored_schema_is_the_one_that_the_code_gives(schema: Any) -> None:
    assert json.loads(STORED.read_text(encoding="utf-8")) == schema, f"make it again: {AGAIN}"


def test_every_address_is_described(schema: Any) -> None:
    described = {path.removeprefix("/api/v1/") for path in schema["paths"]}
    addresses = {str(each.pattern) for each in urls.urlpatterns} - UNDESCRIBED
    assert {path.replace("{", "<").count("<") for path in described} == {
        each.count("<") for each in addresses
    }
    assert len(described) == len(addresses)


def test_every_operation_has_a_name_of_its_own_and_says_its_problems(schema: Any) -> None:
    operations = [op for path in schema["paths"].values() for op in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    for each in operations:
        if each["operationId"] != "health":
            assert "application/problem+json" in each["responses"]["403"]["content"]


def test_the_api_serves_its_own_schema(cast: Cast, schema: Any) -> None:
    answer = session(cast.analyst).get("schema/")
    assert answer.status_code == 200
    assert answer.json()["paths"].keys() == schema["paths"].keys()


def test_the_api_serves_the_schema_of_the_language(cast: Cast) -> None:
    answer = session(cast.analyst).get("playbooks/schema/")
    assert answer.status_code == 200
    assert answer.json() == json_schema()
