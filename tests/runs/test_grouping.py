"""Arguments of a conversion in groups, or as keywords: each thing said once."""

from dataclasses import fields

import pytest

from rdpass.core.errors import ConfigError
from rdpass.runs.grouping import Flat, Groups, Output, grouped
from rdpass.training.request import Budget, Data, Select

KINDS = {"select": Select, "data": Data, "budget": Budget, "output": Output}


def test_nothing_given_is_every_groups_default():
    assert grouped(None, None, None, None, {}) == Groups(Select(), Data(), Budget(), Output())


def test_keywords_are_put_into_their_groups_and_out_is_the_folder():
    found = grouped(None, None, None, None, {"skip": ("a",), "max_macs": 2.0, "out": "saved", "force": True})
    assert found == Groups(Select(skip=("a",)), Data(), Budget(max_macs=2.0), Output(folder="saved", force=True))


def test_a_group_that_is_given_stays_what_it_is_beside_keywords_of_others():
    select, output = Select(only=("b",)), Output(folder="saved")
    found = grouped(select, None, None, output, {"max_macs": 3.0})
    assert found.select is select
    assert found.output is output
    assert found.budget == Budget(max_macs=3.0)


def test_every_field_of_a_group_is_a_keyword_and_no_keyword_is_in_two():
    keywords = ["out" if field.name == "folder" else field.name for kind in KINDS.values() for field in fields(kind)]
    assert sorted(keywords) == sorted(Flat.__annotations__)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("wrong", ["text", {"only": ()}, 5])
def test_a_group_of_another_class_is_refused_with_what_it_takes(name, wrong):
    given = {**dict.fromkeys(KINDS), name: wrong}
    with pytest.raises(ConfigError, match=rf"{name}= takes a rdpass\.{KINDS[name].__name__}\(.*not a"):
        grouped(*given.values(), {})


def test_a_thing_that_is_said_twice_is_refused_by_both_names():
    with pytest.raises(ConfigError, match=r"output= and out=, force= say the same thing twice: put folder, force into"):
        grouped(None, None, None, Output(), {"out": "saved", "force": False})


def test_an_unknown_keyword_is_an_error_of_python():
    with pytest.raises(TypeError, match=r"convert\(\) got an unexpected keyword argument 'folder'"):
        grouped(None, None, None, None, {"folder": "saved"})
