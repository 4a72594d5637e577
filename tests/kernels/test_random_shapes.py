import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT16, FLOAT32
from tests.kernels.emulation import check_emulated
from tests.kernels.integers import emulated
from tests.kernels.strategies import KINDS
from tests.kernels.tester import check

UNHURRIED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, **UNHURRIED)
@given(data=st.data())
def test_a_few_random_shapes_give_the_values_of_the_oracle(kind, data):
    check(*data.draw(KINDS[kind](FLOAT32)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, **UNHURRIED)
@given(data=st.data())
def test_many_random_shapes_give_the_values_of_the_oracle(kind, data):
    check(*data.draw(KINDS[kind](FLOAT32)))


@settings(max_examples=2, phases=[Phase.explicit, Phase.reuse, Phase.generate], **UNHURRIED)
@given(drawn=st.tuples(*(kind(FLOAT16) for kind in KINDS.values())))
def test_random_shapes_in_float16_give_the_values_of_the_oracle_in_one_emulated_program_of_all_kinds(drawn):
    """Nothing is shrunk, which would take minutes: the message names the kernel."""
    cases, tolerances = zip(*drawn, strict=True)
    with tempfile.TemporaryDirectory() as folder:
        errors = check_emulated(cases, emulated("rpi5"), Path(folder), max(tolerances))
    for case, tolerance, error in zip(cases, tolerances, errors, strict=True):
        assert error <= tolerance, f"{case.name} is off by {error:.1e}"
