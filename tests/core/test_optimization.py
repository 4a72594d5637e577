"""What kernels may be chosen for, and the refusal of anything else."""

from typing import get_args

import pytest

from rdpass.core.errors import ConfigError
from rdpass.core.optimization import Optimize, check_optimize


@pytest.mark.parametrize("asked", get_args(Optimize))
def test_each_word_is_taken(asked):
    check_optimize(asked)


@pytest.mark.parametrize("asked", ["fast", "", "Speed", None])
def test_another_word_is_refused_with_those_there_are(asked):
    with pytest.raises(ConfigError, match="it is one of speed, balanced, size"):
        check_optimize(asked)
