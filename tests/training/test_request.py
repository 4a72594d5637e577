"""A request: defaults that ask for nothing, and criteria as the user gave them."""

import pytest
import torch

from rdpass.training.config import DistillConfig
from rdpass.training.losses import Criteria
from rdpass.training.objective import Batch
from rdpass.training.request import Budget, Data, Request, Select


def test_by_default_everything_is_selected_and_nothing_is_trained_or_kept():
    request = Request()
    assert (request.only, request.skip, request.train, request.checkpoint, request.resume) == (
        (),
        (),
        None,
        None,
        False,
    )
    assert request.max_macs == Budget().max_macs
    assert (Select().only, Select().skip, Select().leaf) == ((), (), ())
    assert (Data().train, Data().validate, Data().loss, Data().distance) == (None, None, None, None)


def test_two_requests_share_no_settings():
    first, second = Request(), Request()
    assert first.config == second.config
    assert first.config is not second.config


def test_criteria_are_made_of_the_settings_and_the_users_functions():
    def loss(outputs, batch):
        return outputs.sum()

    def distance(outputs, wanted):
        return (outputs - wanted).abs().sum()

    config = DistillConfig(alpha=0.25)
    request = Request(config=config, loss=loss, distance=distance)
    assert request.criteria == Criteria(config, loss, distance)
    terms = request.criteria.terms(torch.tensor([4.0]), torch.tensor([1.0]), Batch((torch.zeros(1),)))
    assert {name: term.item() for name, term in terms.items()} == {"task": 3.0, "teacher": 0.75}


@pytest.mark.parametrize("kind", [Request, Select, Data, Budget])
def test_requests_do_not_change(kind):
    made = kind()
    with pytest.raises(AttributeError):
        setattr(made, next(iter(vars(made))), None)
