"""Models and resources over HTTP (contract/models-and-transfers.md sections 2 and 4)."""

from __future__ import annotations

from support.registry import RunningRegistry


def test_a_model_is_created_and_found(registry: RunningRegistry) -> None:
    org = registry.org()
    session = registry.session(registry.key(org=org))
    sent = {
        "name": "bert",
        "application": "NLP",
        "labelsV2": ["fast", "sparkly", "fast"],
        "publicDatasetUsed": {"name": "d", "link": "www.example.com", "license": "MIT"},
    }
    made = session.post(f"/v2/org/{org}/models", json=sent)
    assert made.status_code == 200, made.text
    found = session.get(f"/v2/org/{org}/models/bert?resolve-labels=false").json()
    assert found["requestStatus"]["statusCode"] == "SUCCESS"
    assert found["model"] == made.json()["model"]
    assert found["model"]["labels"] == ["fast", "sparkly"]
    assert found["model"]["publicDatasetUsed"] == sent["publicDatasetUsed"]
    assert session.post(f"/v2/org/{org}/models", json=sent).status_code == 409
    assert session.get(f"/v2/org/{org}/models/other").status_code == 404
    assert registry.session().get(f"/v2/models/{org}/bert").status_code == 404
    stranger = registry.session(registry.key(org=registry.org()))
    assert stranger.get(f"/v2/org/{org}/models/bert").status_code == 403
