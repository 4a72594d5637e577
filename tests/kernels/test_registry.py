"""The list of kernels: ours in order, then those that others offer."""

import pytest

from rdpass.core.errors import ConfigError
from rdpass.kernels.choice import choose_default, template_of
from rdpass.kernels.registry import TEMPLATES, all_templates, kernels
from tests.kernels.made_up import MACHINE, POOL, MadeUp, MadeUpTile


class Registered(MadeUp):
    name = "made.up"


def test_a_registered_template_is_chosen_from_like_ours(monkeypatch):
    monkeypatch.setattr(kernels, "_known", dict(kernels._known))
    kernels.register("made.up")(Registered(0.0))
    assert all_templates()[:-1] == TEMPLATES
    assert choose_default(POOL, MACHINE) == MadeUpTile(1)
    assert template_of(MadeUpTile(2)).name == "made.up"


@pytest.mark.parametrize(("given", "said"), [(len, "to be a Template"), (MadeUp(0.0), "calls itself 'made up'")])
def test_what_is_no_template_of_that_name_is_refused(monkeypatch, given, said):
    monkeypatch.setattr(kernels, "_known", dict(kernels._known))
    with pytest.raises(ConfigError, match=said):
        kernels.register("made.up")(given)


def test_the_order_is_that_of_the_list_and_special_templates_stand_behind_general_ones():
    assert all_templates()[: len(TEMPLATES)] == TEMPLATES
    names = [template.name for template in TEMPLATES]
    assert names.index("direct") < names.index("winograd") < names.index("strided_winograd")
    assert names.index("stem") < names.index("stem_winograd3")
    assert names.index("pair") < names.index("apart")
