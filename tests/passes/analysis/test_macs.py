"""Multiply-accumulates of single nodes, against figures worked out by hand."""

import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.trace import trace
from rdpass.passes.analysis.cost import cost_of, macs_of
from tests.models import (
    seeded,
)


def test_transposed_convolutions_matrix_products_and_attention_have_macs_too():
    class Products(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(2, 3, 2, 2)
            self.attend = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x, y):
            attended = self.attend(y, y, y)[0]
            return self.up(x), torch.bmm(attended, attended.transpose(1, 2)), F.scaled_dot_product_attention(y, y, y)

    traced = trace(seeded(Products), (torch.randn(1, 2, 5, 5), torch.randn(1, 6, 4)))
    up, attention, product, dot = 2 * 25 * 3 * 4, 6 * 4 * (16 + 12), 36 * 4, 6 * 6 * 8
    assert macs_of(traced.module) == up + attention + product + dot
    assert cost_of(traced.module).macs == macs_of(traced.module)
