"""The search on made-up costs and trainings: its steps, what it does not do again, what it refuses, when it stops."""

from dataclasses import replace

import pytest

import rdpass
from rdpass.core.errors import BudgetError, ConfigError, DivergedError, ParityError, PassError, TargetError
from rdpass.core.estimates import Estimate
from rdpass.core.plan import Skipped
from rdpass.fitting import search
from rdpass.fitting.record import read_fit
from rdpass.fitting.trials import Probed, Trials
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.fitting.accounts import COSTS, NETWORKS, measured
from tests.models import small_resnet_of_four

DATA = {"train": batches(2), "validate": batches(1, seed=1)}
DROPS = {"as it is": 0.3, "exact": 0.3, "plain": 1.0, "some": 0.6}


class Bench:
    """What stands in for the account and for trainings; ``calls`` are the steps that were asked for."""

    def __init__(self, monkeypatch):
        self.calls, self.failing, self.stop_at, self.dearer = [], {}, None, 1.0
        monkeypatch.setattr(search, "take_costs", self.take_costs)
        monkeypatch.setattr(Trials, "baseline", lambda trials: ("top-1", Estimate(90.0, 1.0)))
        monkeypatch.setattr(search, "estimate_networks", self.estimate)
        for step in ("untrained", "probe", "trained"):
            monkeypatch.setattr(Trials, step, self.step(step))

    def take_costs(self, journal, *_):
        if not journal.found.networks:
            self.calls.append("costs")
            journal.put(networks=NETWORKS, costs=COSTS)

    def estimate(self, networks, example, target, precisions):
        """The costs of the drafts, times ``self.dearer``."""
        own = [each for each in COSTS if each.network in networks and each.precision in precisions]
        return tuple(replace(each, ms=self.dearer * each.ms) for each in own), ()

    def step(self, step):
        def made(trials, network, precisions, out=None):
            self.calls.append(f"{step} {network.name} {' '.join(precisions)}")
            if self.calls[-1] == self.stop_at:
                raise KeyboardInterrupt
            for words, error in self.failing.items():
                if words in self.calls[-1]:
                    raise error
            how = {"untrained": "as it is", "probe": "probe of 4 steps", "trained": "trained"}[step]
            found = [measured(network.name, each, self.drop(step, network, each), how) for each in precisions]
            kept = "" if out is None else f"points/{out.name}"
            return Probed(tuple(replace(each, folder=kept) for each in found), (), seconds=0.5)

        return made

    @staticmethod
    def drop(step, network, precision):
        if step == "untrained" and (network.name, precision) == ("as it is", "float32"):
            return 0.0
        return DROPS[network.name] / (2 if step == "trained" else 1)


@pytest.fixture
def bench(monkeypatch):
    return Bench(monkeypatch)


@pytest.fixture
def fit(tmp_path):
    def run(**keywords):
        given = {"target": "rpi5", "out": tmp_path / "fit", "show_progress": False, **DATA, **keywords}
        return rdpass.fit(small_resnet_of_four(), **given)

    return run


UNTRAINED = "untrained as it is float32 int8"


def test_a_budget_that_the_network_meets_as_it_is_ends_the_search(bench, fit):
    found = fit(latency="50ms")
    assert bench.calls == ["costs", UNTRAINED, "untrained exact float32"]
    assert found.best.name == "as it is"
    assert found.verdict.endswith("nothing needs training.")


def test_probes_rank_and_the_best_are_trained_in_every_precision_that_keeps_to_the_limits(bench, fit, tmp_path):
    found = fit(latency="31ms", peak="2.2kB", drop=0.2, points=1)
    assert bench.calls == ["costs", UNTRAINED, "probe plain float32 int8", "trained as it is int8"]
    reasons = {each.add: each.reason for each in found.left_out}
    assert reasons.keys() == {"some", "plain"}
    assert "1 others lost less" in reasons["plain"]
    assert found.best.name == "as it is in int8"
    assert found.best.measured.folder == "points/as-it-is-int8"
    assert [(each.network, each.how) for each in found.probes] == [("plain", "probe of 4 steps")] * 2
    assert found.seconds == {"plain": 0.5}
    assert read_fit(tmp_path / "fit") == found
    assert "As it is in int8" in (tmp_path / "fit" / "front.html").read_text()


def test_a_search_that_was_stopped_goes_on_where_it_was_and_does_nothing_again(bench, fit):
    bench.stop_at = "trained plain float32 int8"
    with pytest.raises(KeyboardInterrupt):
        fit(latency="31ms", peak="2.2kB", drop=0.2)
    before, bench.calls, bench.stop_at = bench.calls, [], None
    assert before[-2:] == ["trained as it is int8", "trained plain float32 int8"]
    found = fit(latency="31ms", peak="2.2kB", drop=0.2, resume="auto")
    assert bench.calls == ["trained plain float32 int8"]
    bench.calls = []
    assert fit(latency="31ms", peak="2.2kB", drop=0.2, resume="auto") == found
    assert bench.calls == []


def test_a_search_goes_on_with_other_limits_on_what_is_known(bench, fit):
    fit(latency="18ms", drop=0.5)
    bench.calls = []
    found = fit(latency="18ms", drop=0.1, resume="auto")
    assert bench.calls == []
    assert found.best is None
    assert found.verdict.startswith("Nothing meets the budget. Nearest: Some in int8")
    assert fit(latency="50ms", resume="auto").best.name == "as it is"


def test_costs_are_those_of_the_student_that_was_trained_not_of_its_draft(bench, fit):
    bench.dearer = 1.25
    found = fit(latency="18ms", drop=0.5)
    assert (found.cost("some", "int8").ms, found.cost("plain", "int8").ms, found.best) == (20, 15, None)
    assert "20 ms of 18 ms" in "; ".join(str(miss) for point in found.points for miss in point.missed)
    assert [each.network for each in found.costs] == [each.network for each in COSTS]


def test_several_processes_are_refused(bench, fit, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="fit runs in one process"):
        fit(latency="18ms")


def test_a_network_that_cannot_be_quantised_is_tried_without_int8(bench, fit):
    bench.failing = {"int8": ConfigError("no layer that int8 takes")}
    found = fit(latency="33ms", peak="3kB", drop=2.0)
    assert bench.calls[1:] == [
        UNTRAINED, "untrained as it is float32", "probe some float32 int8", "probe some float32",
        "trained some float32 int8", "trained some float32",
    ]  # fmt: skip
    assert Skipped("some in int8", "no layer that int8 takes") in found.left_out
    assert found.best.name == "some"


def test_one_that_fails_is_left_out_with_its_reason(bench, fit):
    bench.failing = {"trained as it is": DivergedError("the loss is not finite")}
    found = fit(latency="31ms", peak="2.2kB", drop=0.2)
    assert bench.calls[-1] == "trained plain float32 int8"
    assert Skipped("as it is", "the loss is not finite") in found.left_out
    assert (found.best, found.verdict[:24]) == (None, "Nothing meets the budget")


def test_where_a_probe_fails_the_network_is_probed_that_it_stood_for(bench, fit):
    bench.failing = {"probe some": DivergedError("the loss is not finite")}
    found = fit(latency="18ms")
    assert bench.calls[2:] == ["probe some int8", "probe plain int8", "trained plain float32 int8"]
    assert found.best.name == "plain in int8"
    assert Skipped("some", "the loss is not finite") in found.left_out


def test_where_a_training_fails_the_next_network_is_trained(bench, fit):
    bench.failing = {"trained plain": ParityError("the fold is off")}
    found = fit(drop=0.7, points=1)
    assert [call for call in bench.calls if call.startswith("trained")] == ["trained some float32 int8"]
    bench.failing, bench.calls = {"trained some": ParityError("the fold is off")}, []
    found = fit(drop=0.7, points=1, force=True)
    assert [call for call in bench.calls if call.startswith("trained")] == [
        "trained some float32 int8", "trained some float32", "trained plain float32 int8"
    ]  # fmt: skip
    assert [miss.limit for miss in found.points[-1].missed] == []


def test_where_every_probe_fails_the_last_reason_is_the_searchs(bench, fit):
    bench.failing = {"probe": DivergedError("batch 0 is not (inputs, targets)")}
    with pytest.raises(DivergedError, match="batch 0 is not"):
        fit(latency="18ms")


def test_a_bug_is_no_reason(bench, fit):
    bench.failing = {"probe": PassError("a pass broke its promise")}
    with pytest.raises(PassError):
        fit(latency="18ms")


def test_when_the_time_is_up_no_step_begins_and_what_was_left_is_said(bench, fit, monkeypatch):
    found = fit(latency="18ms", budget_time="1us")
    assert bench.calls == ["costs", UNTRAINED]
    assert {each.reason for each in found.left_out if each.add == "some"} == {"not probed: the time was up"}
    assert found.verdict.startswith("Nothing that was measured meets the budget. By their costs these would: plain in")
    bench.calls = []
    found = fit(latency="18ms", budget_time="1min", resume="auto", config=DistillConfig())
    assert bench.calls == ["probe some int8", "trained some float32 int8"]


def test_a_training_that_takes_longer_than_is_left_does_not_begin(bench, fit):
    found = fit(latency="18ms", budget_time="1min", config=DistillConfig(epochs=100))
    assert bench.calls[-1] == "probe some int8"
    assert "it takes about 0:01:40, which is not left" in found.left_out[-1].reason


@pytest.mark.parametrize(
    ("keywords", "error", "said"),
    [
        ({"drop": None}, ConfigError, "there is no budget"),
        ({"latency": "30"}, ConfigError, "latency is a number and its unit"),
        ({"latency": "3ms", "train": None}, ConfigError, "give train= and validate="),
        ({"latency": "3ms", "validate": None}, ConfigError, "images held out"),
        ({"latency": "3ms", "train": iter([])}, ConfigError, "an iterator can't be read again"),
        ({"latency": "3ms", "out": None}, ConfigError, "give out="),
        ({"latency": "3ms", "points": 0}, ConfigError, "at least 1"),
        ({"latency": "3ms", "images": 0}, ConfigError, "at least 1"),
        ({"latency": "3ms", "recipe": "carry"}, ConfigError, "recipe carry trains nothing"),
        ({"latency": "3ms", "recipe": "none"}, ConfigError, "unknown recipe"),
        ({"latency": "3ms", "precisions": ["int4"]}, ConfigError, "int4"),
        ({"latency": "3ms", "precisions": ["fp16"], "target": "rpi4"}, TargetError, "does not compute"),
        ({"latency": "3ms", "target": "host"}, TargetError, "cores of ARM's alone"),
        ({"latency": "3ms", "target": "none"}, TargetError, "none"),
        ({"latency": "3ms", "budget_time": "soon"}, ConfigError, "budget_time is a number and its unit"),
        ({"latency": "3ms", "resume": "yes"}, ConfigError, "resume is 'auto'"),
    ],
)
def test_what_can_not_be_searched_is_refused_before_anything_is_done(bench, fit, tmp_path, keywords, error, said):
    with pytest.raises(error, match=said):
        fit(**keywords)
    assert bench.calls == []
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_resumed_or_replaced_when_told_and_nothing_foreign_goes(bench, fit, tmp_path):
    fit(latency="50ms")
    with pytest.raises(ConfigError, match=r"a search lies in .*--resume auto"):
        fit(latency="50ms")
    with pytest.raises(ConfigError, match="another train, another target"):
        fit(
            latency="50ms", resume="auto", target="rpi4", config=DistillConfig(epochs=3), precisions=["float32", "int8"]
        )
    bench.calls = []
    fit(latency="50ms", force=True)
    assert bench.calls[0] == "costs"
    (tmp_path / "fit" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"mine\.txt, which rdpass did not write"):
        fit(latency="50ms", force=True)
    assert (tmp_path / "fit" / "mine.txt").read_text() == "mine"


def test_a_dry_run_gives_costs_without_data_or_limits_and_writes_nothing(bench, tmp_path):
    model = small_resnet_of_four()
    found = rdpass.fit(model, batches(1)[0][0], target="rpi5", dry_run=True, out=tmp_path / "fit", show_progress=False)
    assert (found.costs, found.within, found.verdict, found.teacher) == (COSTS, COSTS, "", None)
    assert bench.calls == ["costs"]
    assert list(tmp_path.iterdir()) == []


def test_the_error_of_a_budget_that_is_not_met_is_a_gates():
    assert BudgetError.exit_code == 4
