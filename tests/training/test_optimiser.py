"""The optimiser: which one, what decays, and what is different for parameters by name."""

from functools import partial

import pytest
import torch
from torch import nn

from rdpass.core.errors import ConfigError
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.config import DistillConfig, name_of
from rdpass.training.optimiser import TORCHS, check_optimiser, make_optimiser, set_rate
from tests.training.interrupting import Stops
from tests.training.support import assert_same, objective, trained


def test_biases_gains_and_norms_do_not_decay_and_frozen_weights_are_left_out():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4), nn.Linear(4, 2))
    model[3].weight.requires_grad_(False)
    gain = nn.Parameter(torch.ones(1, 4, 1, 1))
    model.register_parameter("gain", gain)
    decayed, free = make_optimiser(model, DistillConfig(weight_decay=0.01)).param_groups
    assert [id(p) for p in decayed["params"]] == [id(model[0].weight)]
    assert decayed["weight_decay"] == 0.01
    assert {id(p) for p in free["params"]} == {
        id(p) for p in (model[0].bias, model[1].weight, model[1].bias, model[2].weight, model[3].bias, gain)
    }
    assert free["weight_decay"] == 0.0


def test_momentum_is_nesterovs_and_may_be_none():
    model = nn.Linear(2, 2)
    for momentum, nesterov in ((0.9, True), (0.0, False)):
        group = make_optimiser(model, DistillConfig(momentum=momentum)).param_groups[0]
        assert (group["momentum"], group["nesterov"]) == (momentum, nesterov)


def configured(name, lr=0.01, **settings):
    return DistillConfig(optimiser=name, lr=lr, **settings)


def test_every_optimiser_of_torch_by_its_name_and_with_its_options():
    model = nn.Linear(3, 2)
    for name, kind in TORCHS.items():
        if name != "muon":  # which takes no biases, and says so
            assert type(make_optimiser(model, configured(name))) is kind
            check_optimiser(configured(name))
    made = make_optimiser(model, configured("adamw", optimiser_options={"betas": [0.9, 0.95]}, weight_decay=0.02))
    decayed, free = made.param_groups
    assert (decayed["betas"], decayed["lr"], decayed["weight_decay"], free["weight_decay"]) == (
        (0.9, 0.95),
        0.01,
        0.02,
        0,
    )
    plain = make_optimiser(model, DistillConfig(optimiser_options={"nesterov": False})).param_groups[0]
    assert (plain["momentum"], plain["nesterov"]) == (0.9, False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimiser": "adamww"}, "no optimiser is called 'adamww'; there are adadelta, .* did you mean adamw?"),
        ({"optimiser": "lbfgs"}, "no optimiser is called 'lbfgs'"),
        ({"optimiser": "muon"}, "optimiser 'muon' can't be made: ValueError: Muon only supports 2D"),
        ({"optimiser": "adamw", "optimiser_options": {"beta": (0.9, 0.9)}}, "no option 'beta'; .*did you mean betas?"),
        ({"optimiser": "adamw", "optimiser_options": {"betas": (0.9, 2.0)}}, "can't be made: ValueError: Invalid beta"),
        ({"optimiser": "adamw", "optimiser_options": {"lr": 0.1}}, "has no option 'lr'"),
        ({"optimiser": "math:tau"}, "'math:tau' is to be a function of .groups, lr., not a float"),
        ({"optimiser": "no_such_module:fn"}, "the optimiser 'no_such_module:fn' can't be found"),
        ({"optimiser": lambda groups, lr: lr}, "is to give a torch.optim.Optimizer, not a float"),
    ],
)
def test_an_optimiser_that_there_is_not_or_that_cannot_be_made_is_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        check_optimiser(DistillConfig(lr=0.1, **settings))


def test_another_optimiser_than_sgd_asks_for_a_rate_of_its_own():
    with pytest.raises(ConfigError, match=r"train\.optimiser=adamw: the default learning rate is for sgd; say one"):
        DistillConfig(optimiser="adamw")


def test_a_function_makes_the_optimiser_and_is_kept_by_its_name():
    model = nn.Linear(3, 2)
    config = configured(partial(torch.optim.RMSprop, alpha=0.5), optimiser_options={"momentum": 0.25})
    group = make_optimiser(model, config).param_groups[0]
    assert (group["alpha"], group["momentum"]) == (0.5, 0.25)
    assert config.model_dump()["optimiser"] == name_of(config.optimiser) == "torch.optim.rmsprop:RMSprop(alpha=0.5)"
    assert type(make_optimiser(model, configured("torch.optim:Adam"))) is torch.optim.Adam


class Unkept(torch.optim.SGD):
    def state_dict(self):
        return {**super().state_dict(), "itself": self}


def test_a_state_that_no_checkpoint_could_hold_is_refused_before_the_training():
    with pytest.raises(ConfigError, match="has a state that a checkpoint can't hold as data"):
        check_optimiser(configured(Unkept))


def test_parameters_by_name_have_rates_and_decays_of_their_own_the_later_over_the_earlier():
    made = objective()
    of = {id(p): name for name, p in made.student.named_parameters()}
    said = {"0.*": {"lr_scale": 0.5}, "*.bias": {"weight_decay": 0.25}, "0.0.*": {"lr_scale": 2.0}}
    optimiser = make_optimiser(made, DistillConfig(weight_decay=0.1, parameters=said))
    set_rate(optimiser, 0.1)
    found = {
        of[id(p)]: (group["lr"], group["weight_decay"]) for group in optimiser.param_groups for p in group["params"]
    }
    assert found.keys() == {name for name, _ in made.student.named_parameters()}
    for name, p in made.student.named_parameters():
        rate = 0.2 if name.startswith("0.0.") else 0.05 if name.startswith("0.") else 0.1
        assert found[name] == (rate, 0.25 if name.endswith(".bias") else 0.1 if p.ndim > 1 else 0.0), name


def test_a_glob_that_matches_nothing_is_named_with_what_there_is():
    with pytest.raises(ConfigError, match=r"'0.0.weigth' matches none of the \d+ names .* such as 0.0.weight"):
        make_optimiser(objective(), DistillConfig(parameters={"0.0.weigth": {"lr_scale": 0.1}}))


@pytest.mark.parametrize(
    "settings",
    [
        {"optimiser": "adamw", "parameters": {"0.*": {"lr_scale": 0.1}}, "schedule": "onecycle"},
        {"optimiser": "timm:lookahead_lamb", "schedule": "timm:cosine", "schedule_options": {"warmup_epochs": 1}},
    ],
    ids=["torch", "timm"],
)
def test_a_training_with_another_optimiser_and_schedule_resumes_bit_for_bit(tmp_path, settings):
    settings = {"lr": 1e-3, **settings}
    whole, history = trained(**settings)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(Stops(8), checkpoint=path, **settings)
    assert load_checkpoint(path)["position"]["step"] == 8
    resumed, again = trained(checkpoint=path, resume=True, **settings)
    assert again == history
    assert_same(whole, resumed)
    start = objective().student.state_dict()
    assert any(not torch.equal(value, start[name]) for name, value in whole.student.state_dict().items())
