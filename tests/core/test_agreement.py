"""Two modules are compared beyond the example: on other numbers, and on another batch size."""

import pytest
import torch

from rdpass.core.agreement import check_agreement
from rdpass.core.errors import ParityError

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
