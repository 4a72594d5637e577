"""Options of students and paths: what is out of range or unknown is refused, and what was said is known."""

import pytest
from pydantic import ValidationError

from rdpass.training.options import PathOptions, StudentOptions


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (StudentOptions, {"initialise": "cold"}),
        (StudentOptions, {"statistics_images": 0}),
        (StudentOptions, {"order": "outwards"}),
        (StudentOptions, {"unknown": 1}),
        (PathOptions, {"floor": 1.5}),
        (PathOptions, {"span": 0.0}),
        (PathOptions, {"features": -1e-3}),
        (PathOptions, {"teacher": "asleep"}),
        (PathOptions, {"cuts": 3}),
    ],
    ids=str,
)
def test_what_is_out_of_range_or_unknown_is_refused_by_name(kind, settings):
    with pytest.raises(ValidationError, match=next(iter(settings))):
        kind(**settings)


@pytest.mark.parametrize("kind", [StudentOptions, PathOptions])
def test_options_do_not_change_and_go_through_json(kind):
    options = kind()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(options, next(iter(kind.model_fields)), None)
    assert kind.model_validate_json(options.model_dump_json()) == options


def test_ends_of_ranges_are_legal():
    assert PathOptions(floor=0.0, span=1.0, features=0.0).floor == 0.0
    assert PathOptions(floor=1.0).floor == 1.0
    assert StudentOptions(statistics_images=1).statistics_images == 1


def test_what_was_said_is_told_from_a_default_of_the_same_value():
    assert PathOptions().model_fields_set == set()
    assert PathOptions(mixed=False).model_fields_set == {"mixed"}
