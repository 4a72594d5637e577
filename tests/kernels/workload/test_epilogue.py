"""Numbers per channel that an epilogue has, and where it writes."""

from typing import get_args

import pytest

from rdpass.kernels.workload import NO_EPILOGUE, ActivationKind, Epilogue

OWN = {"channel_clip": 2, "prelu": 1}


@pytest.mark.parametrize("activation", get_args(ActivationKind))
def test_the_table_has_the_bias_and_the_activations_own_rows(activation):
    assert Epilogue(activation).rows == 1 + OWN.get(activation, 0)


@pytest.mark.parametrize("late", [False, True])
def test_placing_changes_nothing_else_and_can_be_undone(late):
    epilogue = Epilogue("clip", -1.0, 2.5, add=True, late=late)
    placed = epilogue.placed(True)
    assert placed == Epilogue("clip", -1.0, 2.5, True, True, late)
    assert placed.placed(False) == epilogue
    assert epilogue.in_place is False


def test_none_is_the_bias_alone():
    assert Epilogue() == NO_EPILOGUE
    assert (NO_EPILOGUE.activation, NO_EPILOGUE.add, NO_EPILOGUE.rows) == ("none", False, 1)
