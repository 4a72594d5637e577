import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kernels.strategies import KINDS
from tests.kernels.tester import check

UNHURRIED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, **UNHURRIED)
@given(data=st.data())
def test_a_few_random_shapes_give_the_values_of_the_oracle(kind, data):
    check(*data.draw(KINDS[kind]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, **UNHURRIED)
@given(data=st.data())
def test_many_random_shapes_give_the_values_of_the_oracle(kind, data):
    check(*data.draw(KINDS[kind]))
