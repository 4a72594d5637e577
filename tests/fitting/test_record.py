"""The record: whole after every step, equal when read back, checksummed, and as its schema says."""

import json
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest

from rdpass.core.errors import ConfigError
from rdpass.core.plan import Skipped
from rdpass.fitting.limits import Limits
from rdpass.fitting.networks import Price
from rdpass.fitting.record import RECORD, Journal, read_fit
from tests.fitting.accounts import cost, fit_of, measured

OWN = (measured("as it is", "float32", 0.0), measured("as it is", "int8", 0.3, "rounded", error=None))
FOUND = replace(
    fit_of(Limits(ms=25, drop=0.5), *OWN, probes=(measured("plain", "int8", 1.0, "probe of 4 steps"),)),
    prices=(Price("add", 1.5, 1000),), skipped=(Skipped("exact", "none"),), left_out=(Skipped("some", "no time"),),
    seconds={"plain": 0.25}, settings={"model": "x", "only": ["a"]}, verdict="it fits",
)  # fmt: skip


def schema():
    return json.loads(resources.files("rdpass").joinpath("schemas/fit-1.schema.json").read_text())


def test_a_record_is_equal_when_it_is_read_back_and_follows_the_schema(tmp_path):
    Journal(FOUND, tmp_path / "fit").put()
    assert read_fit(tmp_path / "fit") == FOUND
    document = json.loads((tmp_path / "fit" / RECORD).read_text())
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())
    assert document.keys() == schema()["properties"].keys()


@pytest.mark.parametrize("field", ["costs", "limits", "verdict", "measured"])
def test_the_schema_asks_for_what_a_reader_needs(field, tmp_path):
    Journal(FOUND, tmp_path).put()
    document = json.loads((tmp_path / RECORD).read_text())
    del document[field]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_a_byte_that_changed_is_found(tmp_path):
    Journal(FOUND, tmp_path).put()
    text = (tmp_path / RECORD).read_text()
    (tmp_path / RECORD).write_text(text.replace('"ms": 25,', '"ms": 26,'))
    with pytest.raises(ConfigError, match="checksum does not fit"):
        read_fit(tmp_path)
    (tmp_path / RECORD).unlink()
    with pytest.raises(ConfigError, match="not the output folder of rdpass fit"):
        read_fit(tmp_path)


def test_the_newest_reason_counts_and_without_a_folder_nothing_is_written():
    journal = Journal(FOUND, None)
    journal.leave_out("some", "it failed")
    assert journal.found.left_out == (Skipped("some", "it failed"),)


def test_points_have_their_cost_and_the_best_one_loses_least_or_is_fastest():
    assert [(point.name, [miss.limit for miss in point.missed]) for point in FOUND.points] == [
        ("as it is", ["ms"]), ("as it is in int8", [])
    ]  # fmt: skip
    assert FOUND.best is FOUND.points[1] or FOUND.best == FOUND.points[1]
    free = replace(FOUND, limits=Limits(drop=0.5))
    assert free.best.name == "as it is in int8"
    assert replace(FOUND, limits=Limits(ms=50)).best.name == "as it is"
    assert replace(FOUND, limits=Limits(ms=1)).best is None
    assert FOUND.cost("plain", "fp16") is None
    assert cost("as it is", "int8", 20, 1000, 1000) in FOUND.within
