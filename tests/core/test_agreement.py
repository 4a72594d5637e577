"""Two modules are compared beyond the example: on other numbers, and on another batch size."""

import pytest
import torch
from torch import nn

from rdpass.core.agreement import check_agreement, in_precision, outputs_in_double, precisions_of
from rdpass.core.errors import ParityError
from tests.models import Cancelling, seeded
from tests.support import Untouched

X = torch.zeros(2, 3, 4, 4)


def test_what_agrees_on_the_example_alone_is_refused():
    with pytest.raises(ParityError, match="differs"):
        check_agreement("gate", lambda x: x * 0, lambda x: x, (X,), 1e-5)


def test_what_agrees_at_one_batch_size_alone_is_refused():
    with pytest.raises(ParityError, match="differs"):
        check_agreement("gate", lambda x: x / len(x) * 2, lambda x: x, (X,), 1e-5)


def test_two_different_random_inputs_and_a_batch_of_twice_the_size_are_tried():
    seen = []
    check_agreement("gate", lambda x: seen.append(x) or x, lambda x: x, (X,), 1e-5)
    assert [tuple(x.shape) for x in seen] == [(2, 3, 4, 4), (2, 3, 4, 4), (4, 3, 4, 4)]
    assert torch.equal(seen[0], X)
    assert not torch.equal(seen[1], seen[2][:2])
    assert all(x.std() > 0.5 for x in seen[1:])


def test_a_size_that_the_model_itself_refuses_is_left_out():
    def fixed(x):
        return x.reshape(2, 48)

    assert check_agreement("gate", lambda x: fixed(x) + 1e-7, fixed, (X,), 1e-5).error <= 1e-6


def test_whole_numbers_may_be_indices_and_are_kept():
    table, indices = torch.randn(5, 3), torch.tensor([[4, 0], [1, 2]])
    assert check_agreement("gate", lambda i: table[i], lambda i: table[i], (indices,), 0.0).error == 0


def test_a_size_that_a_graph_refuses_leaves_no_traceback_on_stderr(capfd):
    class Fixed(torch.nn.Module):
        def forward(self, x):
            return torch.reshape(x, (2, 48))

    fixed = torch.fx.symbolic_trace(Fixed())
    assert check_agreement("gate", fixed, fixed, (X,), 0.0).error == 0
    assert capfd.readouterr().err == ""


class Rounded(nn.Module):
    """What it wraps, its sums in another order: as exact, and rounded otherwise."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner.backwards(x)


def test_a_small_difference_of_large_numbers_is_judged_in_double_precision():
    model = seeded(Cancelling)
    before = Untouched(model)
    gate = check_agreement("gate", Rounded(model), model, (torch.randn(2, 6),), 1e-5)
    before.check()
    assert gate.oracle == "float64"
    assert 1e-5 < gate.error <= gate.tolerance <= 1e-2
    assert gate.oracle_error > 1e-6
    with pytest.raises(ParityError, match="in float64 they differ by"):
        check_agreement("gate", lambda x: 1.02 * model(x), model, (torch.randn(2, 6),), 1e-5)


def test_only_what_computes_in_single_precision_throughout_has_outputs_in_double():
    x = torch.randn(2, 3)
    linear = nn.Linear(3, 2)
    (found,) = outputs_in_double(linear, (x,))
    weight, bias = (p.detach().double() for p in (linear.weight, linear.bias))
    assert found.dtype == "float64"
    assert relative(found, (x.double() @ weight.T + bias).numpy()) < 1e-15
    assert linear.weight.dtype is torch.float32

    class Single(nn.Module):
        def forward(self, x):
            return x.float() * 2

    class Fixed(nn.Module):
        def forward(self, x):
            return torch.zeros(2, 3) @ x

    for module in (linear.half(), nn.Linear(3, 2).double(), Single(), Fixed(), lambda x: x):
        assert outputs_in_double(module, (x,)) is None
    assert outputs_in_double(nn.Linear(3, 2), (x.half(),)) is None


def test_inputs_change_their_precision_and_whole_numbers_stay():
    x, indices = torch.randn(2), torch.tensor([1, 2])
    doubled = in_precision((x, indices), torch.float64)
    assert [each.dtype for each in doubled] == [torch.float64, torch.int64]
    assert precisions_of(nn.BatchNorm1d(2).half(), (x, indices)) == {torch.float16, torch.float32}


def relative(actual, expected):
    return abs(actual - expected).max() / abs(expected).max()
