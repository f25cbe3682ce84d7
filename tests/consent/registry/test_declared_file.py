"""The file of docs/declare.md, loaded as an operator does; an upgrade to a registry that collects more."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from analytics.models import FeatureUsage
from analytics.report_days import report_today
from consent.models import InForce, PolicyVersion
from consent.policies import activation
from consent.policies.in_force import put_in_force
from consent.registry import registry
from tests.support.declaring import collect
from tests.support.otlp import a_key, grant, log, logs, post
from tests.support.rolling import roll_up

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = (Path(__file__).parents[3] / "docs" / "declare.md").read_text()
SENT = {
    "user.id": "u1",
    "service.name": "shop-web",
    "service.namespace": "shop",
    "os.type": "linux",
    "deployment.environment": "dev",
    "package": "shop-client",
    "package_version": "1.4.2",
    "memory_mb": 48.5,
    "device": "iPhone",
    "python_version": "3.12.4",
}
STORED = {
    "app": "shop-web",
    "service.namespace": "shop",
    "platform": "Linux",
    "environment": "development",
    "package": "shop-client",
    "package_version": "1.4.2",
    "memory_mb": 48.5,
    "device": "iPhone",
    "python_version": "3.12.4",
}


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


def stored(client: Client, key: str, uid: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """The metadata of the event that these attributes make."""
    event = log("retrieval.add_demo", at=timezone.now(), attributes={"log.record.uid": uid, **attributes})
    assert post(client, "/v1/logs", logs(event, resource={"telemetry.sdk.name": "x"}), key).json() == {}
    return FeatureUsage.objects.latest("received_at").event_metadata


def test_the_file_in_the_documentation_keeps_what_it_says(
    client: Client, tmp_path: Path, settings: Settings
) -> None:
    collect(settings, tmp_path, block("toml"))
    grant(user="42", since=timezone.now())
    sent = json.loads(block("json"))
    attributes = {pair["key"]: next(iter(pair["value"].values())) for pair in sent["attributes"]}
    key, _ = a_key()
    said = json.loads(re.search(r"`event_metadata` then holds `(\{.*?\})`", PAGE)[1])  # type: ignore[index]
    assert stored(client, key, "1", attributes) == said
    runtime = {"process.runtime.version": "3.12.4", "num_demos": 1001, "region": "jane", "strategy": "rand"}
    assert stored(client, key, "2", {"user.id": "42", **runtime}) == {
        "python_version": "3.12.4",
        "strategy": "random",
    }
    assert activation.active_registry().dimensions[-1] == "region"
    assert "optimized" in activation.active_registry().event_names


def test_reports_are_filtered_by_its_dimension(client: Client, tmp_path: Path, settings: Settings) -> None:
    """Seven people in one region, six in another; today, since nobody has consented before."""
    collect(settings, tmp_path, block("toml"))
    key, _ = a_key()
    for number in range(13):
        grant(user=f"u{number}", since=timezone.now())
        region = "eu-west-1" if number < 7 else "us-east-1"
        stored(client, key, str(number), {"user.id": f"u{number}", "region": region})
    roll_up()
    reader, _ = a_key(scopes=("reports",))
    query = {"range": "custom", "from": f"{report_today()}", "to": f"{report_today()}", "compare": "0"}

    def users(**filters: str) -> list[tuple[str, object]]:
        document = client.get(
            "/api/reports/feature-adoption", query | filters, headers={"x-api-key": reader}
        ).json()
        return [(row["feature"], row["users"]) for row in document["rows"]]

    assert users(region="eu-west-1") == [("retrieval", 7)]
    assert users(region="us-east-1") == [("retrieval", 6)]
    assert users(region="mars-north-1") == []


def test_an_upgraded_instance_keeps_its_registry_until_the_policy_is_published(
    client: Client, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """As published by the version before: without what is declared since, dimensions or other spellings."""
    content = registry.load(registry.files()).content()
    of_old = {"app_version", "environment", "platform", "page.path", "error.type", "plan"}
    content["attributes"] = [
        {word: value for word, value in entry.items() if word not in ("dimension", "spellings")}
        for entry in content["attributes"]
        if entry["name"] in of_old
    ]
    before = registry.from_text(json.dumps(content))
    PolicyVersion.objects.create(
        version="2",
        text="As before.",
        registry=content,
        registry_digest=before.digest,
        retention_months=settings.EVENT_RETENTION_MONTHS,
        is_material=True,
        published_by="tests",
        published_at=timezone.now(),
    )
    put_in_force(before, policy_version="2", material_since=None)
    InForce.objects.update(registry=json.dumps(content))
    registry.use(None)  # a new process, which has read the new files
    grant(user="u1")
    key, _ = a_key()

    with pytest.raises(CommandError, match="'app' is now collected"):
        call_command("reload_registry")
    old = {"environment": "other", "platform": "Linux"}
    assert stored(client, key, "1", SENT) == old
    call_command("publish_policy", "--dry-run")
    assert "'memory_mb' is now collected" in capsys.readouterr().out
    assert stored(client, key, "2", SENT) == old

    call_command("publish_policy")
    grant(user="u1", since=timezone.now())
    assert stored(client, key, "3", SENT) == STORED
