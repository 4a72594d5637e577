"""Decisions on findings made up by hand: what is trained, in which order, and what is said of the outcome."""

from dataclasses import replace

import pytest

from rdpass.fitting.choice import candidates, front, ranked, settled, verdict_of, worst_excess, worth_training
from rdpass.fitting.limits import Limits, limits_of
from rdpass.fitting.networks import Network
from rdpass.fitting.record import Fit
from tests.fitting.accounts import COSTS, NETWORKS, cost, fit_of, measured

OWN = (measured("as it is", "float32", 0.0), measured("as it is", "int8", 0.3, "rounded"))


def names(costs):
    return [(each.network, each.precision) for each in costs]


def test_nothing_is_trained_where_the_network_as_it_is_keeps_to_the_budget():
    found = fit_of(Limits(ms=50), *OWN)
    assert worth_training(found) == ({}, ())
    assert found.best.measured == OWN[0]
    assert verdict_of(found).startswith("As it is (40 ms, peak 4 kB, weights 4 kB) meets the budget: top-1 90.00")
    assert verdict_of(found).endswith("nothing needs training.")


def test_nor_where_rounding_to_int8_keeps_to_the_drop_that_was_allowed():
    found = fit_of(Limits(ms=25, drop=0.5), *OWN)
    assert settled(found).measured == OWN[1]
    assert worth_training(found) == ({}, ())
    assert "As it is in int8" in verdict_of(found)


def test_where_rounding_costs_more_than_is_allowed_or_than_images_can_tell_int8_is_trained_and_keeps_most():
    for limits in (Limits(ms=25, drop=0.2), Limits(ms=25)):
        worthy, needless = worth_training(fit_of(limits, *OWN))
        assert worthy == {"as it is": ("int8",)}
        assert {each.add for each in needless} == {"plain", "some"}
        assert "keeps more of the network" in needless[0].reason


def test_a_loss_that_images_cannot_tell_from_none_needs_no_training():
    assert settled(fit_of(Limits(ms=25), OWN[0], measured("as it is", "int8", 0.3, "rounded", error=0.3))) is not None


def test_of_sets_of_shortcuts_one_inside_the_other_the_smaller_is_trained_unless_the_larger_has_a_precision_more():
    worthy, needless = worth_training(fit_of(Limits(ms=33, peak_bytes=700)))
    assert (worthy, [each.add for each in needless]) == ({"some": ("int8",)}, ["plain"])
    worthy, needless = worth_training(fit_of(Limits(ms=31, peak_bytes=2200), OWN[0], measured("as it is", "int8", 0.3)))
    assert worthy == {"as it is": ("int8",), "plain": ("float32", "int8")}
    assert [each.add for each in needless] == ["some"]


def test_of_two_pruned_networks_the_wider_is_trained_and_neither_stands_for_a_plain_one():
    found = fit_of(Limits(ms=18))
    narrow = [Network(f"pruned {share}", "prune", trains=True, pruned=share) for share in (0.25, 0.5)]
    costs = (*found.costs, cost("pruned 0.25", "int8", 17), cost("pruned 0.5", "int8", 12))
    worthy, needless = worth_training(replace(found, networks=(*found.networks, *narrow), costs=costs))
    assert worthy == {"some": ("int8",), "pruned 0.25": ("int8",)}
    assert [each.add for each in needless] == ["plain", "pruned 0.5"]


def test_the_plain_network_keeps_more_than_the_one_whose_pairs_are_merged():
    found = fit_of(Limits(ms=18))
    merged = replace(NETWORKS[2], name="merged", merged=True)
    also = replace(found, networks=(*NETWORKS, merged), costs=(*COSTS, cost("merged", "int8", 12, 400)))
    worthy, needless = worth_training(also)
    assert worthy == {"some": ("int8",)}
    assert "merged" in {each.add for each in needless}
    tighter = replace(also, limits=Limits(ms=13))
    assert worth_training(tighter)[0] == {"merged": ("int8",)}


def test_what_failed_or_could_not_be_rounded_stands_for_nothing():
    assert worth_training(fit_of(Limits(ms=25), OWN[0]))[0] == {"some": ("int8",)}
    assert worth_training(fit_of(Limits(ms=25), OWN[0]), failed=["some"]) == ({"plain": ("int8",)}, ())


def test_where_only_the_drop_is_limited_what_is_faster_than_the_untrained_is_trained():
    worthy, needless = worth_training(fit_of(Limits(drop=0.5), *OWN))
    assert worthy == {"plain": ("int8",), "some": ("int8",)}
    assert needless == ()
    done = fit_of(Limits(drop=0.5), *OWN, measured("plain", "int8", 0.4, "trained"))
    assert (done.best.measured.network, done.best.cost.ms) == ("plain", 15)


def test_near_misses_are_trained_where_nothing_keeps_to_the_limits():
    found = fit_of(Limits(ms=14))
    assert found.within == ()
    assert names(candidates(found)) == [("plain", "int8")]
    assert worth_training(found)[0] == {"plain": ("int8",)}
    assert candidates(fit_of(Limits(ms=13))) == ()
    assert worth_training(fit_of(Limits(ms=13))) == ({}, ())


def test_networks_are_ranked_by_what_their_probes_lost_in_a_precision_that_counts():
    probes = (measured("plain", "float32", 0.1), measured("plain", "int8", 2.0), measured("some", "int8", 1.0))
    found = fit_of(Limits(ms=18), *OWN, probes=probes)
    assert ranked(found, {"plain": ("int8",), "some": ("int8",)}) == ["some", "plain"]
    assert ranked(found, {"plain": ("float32", "int8"), "some": ("int8",)}) == ["plain", "some"]
    assert ranked(found, {"as it is": ("int8",), "exact": ("float32",), "some": ("int8",)}) == ["as it is", "some"]


def test_the_best_point_loses_least_within_the_budget():
    trained = measured("some", "int8", 0.4, "trained"), measured("plain", "int8", 0.2, "trained")
    found = fit_of(Limits(ms=18, drop=0.5), *OWN, *trained)
    assert found.best.measured == trained[1]
    assert [miss.limit for miss in found.points[0].missed] == ["ms"]
    assert verdict_of(found).endswith("-0.20 ± 0.10 beside the teacher; it was trained.")


def test_a_point_that_another_one_beats_in_everything_is_not_on_the_front():
    trained = measured("some", "int8", 0.4, "trained"), measured("plain", "int8", 0.2, "trained")
    points = fit_of(Limits(ms=1), *OWN, *trained).points
    assert [point.measured.network for point in front(points)] == ["as it is", "plain"]


@pytest.mark.parametrize(
    ("limits", "found", "said"),
    [
        (Limits(ms=10), OWN, "Nothing meets the budget. Nearest by its cost: Plain in int8 (15 ms, peak 0.5 kB"),
        (
            Limits(ms=14),
            (*OWN, measured("plain", "int8", 0.2, "trained")),
            "89.80 ± 1.00 on 100 images, -0.20 ± 0.10 beside",
        ),
        (Limits(ms=10), (), "15 ms of 10 ms (50 % too much)."),
        (Limits(ms=18, drop=0.1), (*OWN, measured("plain", "int8", 0.2, "trained")), "drop 0.20 of 0.10."),
        (Limits(ms=18), OWN, "By their costs these would: plain in int8, some in int8."),
    ],
)
def test_where_nothing_meets_the_budget_the_nearest_is_named_with_what_it_misses(limits, found, said):
    assert said in verdict_of(fit_of(limits, *found))


def test_without_costs_there_is_nothing_to_name():
    assert verdict_of(Fit("rpi5", Limits(ms=1))) == "No network's cost could be estimated."
    assert worst_excess(fit_of(limits_of("20ms", "500B", None, None)), cost("n", "int8", 22, 1000)) == pytest.approx(
        1.0
    )
    assert len(COSTS) == 7
