"""A plan as JSON: it follows the schema, whatever the network."""

import json
from importlib import resources

import jsonschema
import pytest
import torch

from rdpass.cli.app import run
from rdpass.cli.plan_json import plan_as_json
from rdpass.inspection import inspect
from tests.inspected import INPUT, RESNET, resnet


def test_the_command_prints_json_that_follows_the_schema(capsys):
    assert run(["inspect", RESNET, *INPUT, "--target", "rpi5", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    described = schema()
    jsonschema.validate(document, described)
    check_all_named(document, described, described)
    assert document["forecast"]["target"] == document["forecast"]["worth"]["target"] == "rpi5"
    choices = document["forecast"]["worth"]["choices"]
    assert [(choice["network"], choice["precision"]) for choice in choices] == [
        (network, kind) for network in ("as it is", "plain") for kind in ("float32", "fp16", "int8")
    ]
    assert choices[3]["cycles"] < choices[0]["cycles"]
    assert document["regions"][1]["exact"]["recipe"] == "carry"


def schema():
    return json.loads(resources.files("rdpass").joinpath("schemas/inspect-1.schema.json").read_text())


def test_every_document_follows_the_schema_and_the_schema_names_every_field(inspected):
    document = json.loads(json.dumps(plan_as_json(inspected[0])))
    described = schema()
    jsonschema.Draft202012Validator.check_schema(described)
    jsonschema.validate(document, described)
    check_all_named(document, described, described)


def check_all_named(value, described, root):
    if "$ref" in described:
        described = root["$defs"][described["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        assert set(value) <= set(described["properties"]), described.get("description")
        for key, inner in value.items():
            check_all_named(inner, described["properties"][key], root)
    elif isinstance(value, list) and "items" in described:
        for inner in value:
            check_all_named(inner, described["items"], root)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("forecast"),
        lambda document: document.update(schema_version=2),
        lambda document: document["forecast"]["model"]["fused"].update(schedule="best"),
        lambda document: document["regions"][0].update(verdict="maybe"),
        lambda document: document["regions"][0]["held"].update(bytes=-1),
    ],
)
def test_the_schema_refuses_what_is_not_such_a_document(spoil):
    document = plan_as_json(inspect(resnet(), torch.randn(1, 3, 16, 16)))
    document = json.loads(json.dumps(document))
    jsonschema.validate(document, schema())
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_bytes_stay_bytes_and_every_add_is_counted_once(inspected):
    plan, _ = inspected
    document = plan_as_json(plan)
    assert document["adds"] == len({region.add for region in plan.regions} | {skipped.add for skipped in plan.skipped})
    fused = plan.forecast.model.fused
    assert document["forecast"]["model"]["fused"]["peak_bytes"] == fused.peak_bytes
    assert document["forecast"]["model"]["fused"]["traffic_bytes"] == fused.read_bytes + fused.written_bytes
