"""Labels that are united leave together, and stay together where one of them has to."""

import torch

from rdpass.core.plan import Skipped
from rdpass.passes.prune.labels import Labels, along, compact, varying, vector_along

WHY = Skipped("output", "an output of the network")


def test_what_is_united_has_one_unit_whatever_the_order():
    labels = Labels()
    a, b, c = labels.fresh(2), labels.fresh(2), labels.fresh(2)
    labels.unite(b, c)
    labels.unite(a, b.flip(0))
    assert labels.units(a) == (0, 1)
    assert labels.units(b) == labels.units(c) == (1, 0)
    assert labels.reasons() == {}


def test_the_reason_to_stay_goes_over_to_all_that_is_united_with_it_before_and_after():
    labels = Labels()
    a, b, c = labels.fresh(3), labels.fresh(3), labels.fresh(3)
    labels.unite(a, b)
    labels.fix(b[:1], WHY)
    labels.unite(c, a)
    labels.fix(a, Skipped("mean", "a second reason says nothing new of what has one"))
    assert {labels.reasons()[unit].add for unit in labels.units(c)} == {"output", "mean"}
    assert labels.reasons()[labels.unit(int(c[0]))] == WHY


def test_a_map_that_stays_fixes_every_channel_that_it_is_united_with():
    labels = Labels()
    channels = labels.fresh(3)
    labels.unite(along(channels, 1, (2, 3, 4, 4)), labels.fixed((2, 3, 4, 4), WHY))
    assert set(labels.units(channels)) == set(labels.reasons())


def test_a_map_of_labels_takes_no_memory_and_gives_its_channels_back():
    vector = torch.arange(3)
    labels = along(vector, 1, (2, 3, 5, 4))
    assert labels.shape == (2, 3, 5, 4)
    assert labels.untyped_storage().size() == vector.untyped_storage().size()
    for form in (labels, labels.contiguous()):
        assert varying(form) == {1}
        assert compact(form).shape == (1, 3, 1, 1)
        assert torch.equal(vector_along(form, 1), vector)


def test_labels_that_vary_along_two_axes_are_seen_to():
    assert varying(torch.arange(6).reshape(1, 3, 2)) == {1, 2}
    assert varying(torch.zeros((), dtype=torch.long)) == frozenset()
