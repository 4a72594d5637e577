"""Schedules: the rate of each step by name, the same whenever it is asked for."""

import math

import pytest
import torch

from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig
from rdpass.training.learning_rate import TORCHS, check_schedule, learning_rate, learning_rates


def test_the_learning_rate_warms_up_and_ends_near_zero():
    config = DistillConfig(lr=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] < 0.11
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[-1] < 1e-3
    assert rates[20:] == sorted(rates[20:], reverse=True)


@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.99])
def test_the_rate_is_positive_at_every_step_and_never_above_the_peak(warmup):
    config = DistillConfig(lr=0.3, warmup=warmup)
    for total in (1, 2, 7):
        assert all(0 < learning_rate(step, total, config) <= 0.3 for step in range(total))


def rates(name, steps=20, **settings):
    rate = learning_rates(DistillConfig(**{"lr": 0.5, "warmup": 0.0, "epochs": 4, "schedule": name, **settings}), steps)
    return [rate(step) for step in range(steps)]


def test_the_default_is_the_cosine_with_its_warm_up():
    config = DistillConfig(lr=0.3, warmup=0.2)
    rate = learning_rates(config, 50)
    assert [rate(step) for step in range(50)] == [learning_rate(step, 50, config) for step in range(50)]


def test_schedules_of_torch_go_as_their_formulas_say():
    assert rates("constant") == [0.5] * 20
    assert rates("linear") == pytest.approx([0.5 * (1 - step / 20) for step in range(20)])
    squared = rates("polynomial", schedule_options={"power": 2.0})
    assert squared == pytest.approx([0.5 * (1 - step / 20) ** 2 for step in range(20)])
    epochs = rates("multistep", schedule_options={"milestones": [1, 3], "gamma": 0.1})
    assert epochs == pytest.approx([0.5] * 5 + [0.05] * 10 + [0.005] * 5)
    assert rates("step", schedule_options={"step_size": 2}) == pytest.approx([0.5] * 10 + [0.05] * 10)
    assert rates("exponential", schedule_options={"gamma": 0.5})[::5] == pytest.approx([0.5, 0.25, 0.125, 0.0625])
    half = rates("restarts", schedule_options={"T_0": 10})
    assert half == pytest.approx([0.25 * (1 + math.cos(math.pi * (step % 10) / 10)) for step in range(20)])


def test_warm_up_goes_with_every_schedule_of_torch_but_one_cycle_which_has_its_own():
    assert rates("constant", warmup=0.5)[:11] == pytest.approx([0.5 * min(1, (step + 1) / 10) for step in range(11)])
    cycle = rates("onecycle")
    assert rates("onecycle", warmup=0.5) == cycle
    assert cycle[0] < cycle[3] < max(cycle) == pytest.approx(0.5, rel=0.05)
    assert cycle[-1] < 1e-5


def test_a_step_has_its_rate_in_whatever_order_it_is_asked_for():
    for name in TORCHS:
        options = {"step": {"step_size": 1}, "multistep": {"milestones": (2,)}, "exponential": {"gamma": 0.9}}
        config = DistillConfig(lr=0.5, epochs=4, schedule=name, schedule_options=options.get(name, {}))
        once, again = learning_rates(config, 20), learning_rates(config, 20)
        assert [once(step) for step in range(20)] == [again(step) for step in reversed(range(20))][::-1], name


def test_a_schedule_of_timm_counts_its_options_in_epochs():
    found = rates("timm:cosine", schedule_options={"warmup_epochs": 1, "warmup_lr": 0.1})
    assert found[:5] == pytest.approx([0.1 + 0.4 * step / 5 for step in range(5)])
    assert found[10] == pytest.approx(0.25)
    steps = rates("timm:step", schedule_options={"decay_epochs": 2, "decay_rate": 0.1})
    assert steps == pytest.approx([0.5] * 10 + [0.05] * 10)


def test_a_function_gives_the_share_of_the_peak():
    def falling(step, steps, floor=0.0):
        return max(floor, 1 - step / steps)

    assert rates(falling, warmup=0.9) == pytest.approx([0.5 * (1 - step / 20) for step in range(20)])
    assert min(rates(falling, schedule_options={"floor": 0.5})) == 0.25


@pytest.mark.parametrize(
    ("schedule", "options", "message"),
    [
        ("onecyle", {}, "no schedule is called 'onecyle'; there are cosine, .*did you mean onecycle?"),
        ("cosine", {"floor": 0.1}, "schedule 'cosine' has no options; timm:cosine has"),
        ("step", {}, "schedule 'step' can't be made: TypeError: .*step_size"),
        ("step", {"stepsize": 3}, "has no option 'stepsize'; it has step_size, gamma; did you mean step_size?"),
        ("onecycle", {"total_steps": 5}, "schedule 'onecycle' ends at step 6: Tried to step 6 times"),
        ("timm:cosinus", {}, "schedule 'timm:cosinus' can't be made: ValueError: Unknown scheduler"),
        ("timm:plateau", {}, "timm has no schedule 'plateau' that goes by steps"),
        ("math:tau", {}, "is to be a function of .step, steps., not a float"),
        (lambda step, steps: 1 / step, {}, "failed at step 0: ZeroDivisionError"),
        (lambda step, steps: -1.0, {}, "gives -1.0 at step 0, which is no share of a learning rate"),
    ],
)
def test_a_schedule_that_there_is_not_or_that_cannot_be_made_is_named(schedule, options, message):
    with pytest.raises(ConfigError, match=message):
        check_schedule(DistillConfig(schedule=schedule, schedule_options=options, epochs=3))


def test_asking_for_rates_draws_nothing():
    before = torch.get_rng_state()
    rates("onecycle")
    assert torch.equal(torch.get_rng_state(), before)
