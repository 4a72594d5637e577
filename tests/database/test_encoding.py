"""Every workload and tile comes back from JSON as it went in."""

import json
from itertools import islice

import pytest

from rdpass.core.numeric_types import INT8, INT32, UINT8, NumericType, NumericTypes
from rdpass.database.encoding import decode_tile, decode_workload, encode
from rdpass.kernels.registry import TEMPLATES
from tests.kernels.cases import machine_with
from tests.kernels.examples import ARM, EXAMPLES, accepted, integer_examples, retyped

BYTES = NumericTypes(UINT8, INT8, INT32, UINT8)
EVERY = (*EXAMPLES, *integer_examples(INT8))


@pytest.mark.parametrize("work", EVERY, ids=lambda work: work.describe())
def test_every_workload_comes_back_with_its_numeric_types(work):
    for one in (work, retyped(work, BYTES)):
        again = decode_workload(json.loads(json.dumps(encode(one))))
        assert again == one
        assert all(isinstance(numeric, NumericType) for numeric in vars(again.types).values())


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_every_class_of_tiles_comes_back(template):
    assert template.workload in {type(work) for work in EVERY}
    for work in accepted(template):
        for tile in islice(template.tiles(work, ARM), 20):
            assert decode_tile(json.loads(json.dumps(encode(tile)))) == tile


def test_a_workload_without_types_or_of_unknown_ones_is_none():
    written = encode(EXAMPLES[0])
    with pytest.raises(ValueError, match="fields are missing"):
        decode_workload({key: value for key, value in written.items() if key != "types"})
    with pytest.raises(ValueError, match="float23"):
        decode_workload({**written, "types": {**written["types"], "input": "float23"}})
    with pytest.raises(ValueError, match="no workload"):
        decode_workload(encode(next(TEMPLATES[0].tiles(EXAMPLES[6], machine_with(ARM.isa)))))
    with pytest.raises(ValueError, match="no tile"):
        decode_tile(written)
