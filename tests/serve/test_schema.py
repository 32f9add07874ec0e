"""The OpenAPI schema tells the truth: generated requests get documented answers of the documented form."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import Start

CALM = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_every_path_answers_as_the_schema_says(start: Start) -> None:
    server = start()
    schema = schemathesis.openapi.from_url(f"{server.address.rstrip('/')}/openapi.json")
    seen = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @CALM
        @schemathesis_given(operation)
        def check(case: schemathesis.Case) -> None:
            # No schema can say which bytes are a video.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()
        seen.append(operation.label)
    assert len(seen) == 12


def schemathesis_given(operation):
    """Hypothesis cases of one operation."""
    from hypothesis import given

    return given(case=operation.as_strategy())


def test_it_names_every_error_and_every_form(client) -> None:
    schema = client.get("/openapi.json").json()
    asked = schema["paths"]["/v1/analyze"]["post"]
    assert set(asked["responses"]) >= {"202", "400", "401", "403", "413", "415", "422", "429"}
    assert set(asked["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
    for path, methods in schema["paths"].items():
        for method in methods.values():
            for status, answer in method["responses"].items():
                if int(status) >= 400:
                    reference = answer["content"]["application/json"]["schema"]["$ref"]
                    assert reference.endswith("/ErrorBody"), (path, status)


def test_the_page_runs_its_own_scripts_only(client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert client.get("/page/main.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/page/__init__.py").status_code == client.get("/page/..%2fapp.py").status_code == 404
    for path in ("/", "/v1/jobs", "/healthz"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"


def test_models_and_metrics(client) -> None:
    first, *others = client.get("/v1/models").json()["models"]
    assert (first["name"], first["in_use"]) == ("tiny", True)
    assert not any(model["in_use"] for model in others)
    assert first["signals"] == []
    text = client.get("/metrics").text
    assert 'mien_jobs{status="queued"} 0.0' in text
    assert 'route="/v1/models"' in text
