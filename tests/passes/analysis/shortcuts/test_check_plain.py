"""Strictly plain: one path, no norms, no adds."""

import pytest

from rdpass.core.errors import PassError
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from rdpass.passes.distill.reparam_fold import fold_branches
from tests.models import (
    PreActivation,
    classifier,
    seeded,
)
from tests.passes.distill.fading import faded


def test_a_batch_norm_that_no_convolution_precedes_is_named_as_what_is_not_plain():
    _, fading = faded(seeded(lambda: classifier(PreActivation(8))), 2, 3, 8, 8)
    fading.set_faded(1.0)
    with pytest.raises(PassError, match="_1_bn1: batch_norm"):
        check_plain(fold_branches(fading.module))
