"""What pruning took is said in one sentence, and layers that lost nothing are left out."""

import torch

from rdpass.capture.trace import trace
from rdpass.core.plan import Width
from rdpass.passes.analysis.cost import cost_of
from rdpass.passes.prune.pruning import prune
from rdpass.report.pruning import pruning_words, width_rows
from tests.models import small_resnet


def test_the_sentence_has_what_was_and_what_is_left():
    whole = trace(small_resnet(), torch.randn(1, 3, 8, 8))
    before, after = cost_of(whole.module), cost_of(prune(whole, 0.5).traced.module)
    words = pruning_words(before, after)
    assert words.startswith(f"pruned by {100 * (1 - after.macs / before.macs):.1f} %: ")
    assert f"{before.macs / 1e3:.3g} k → {after.macs / 1e3:.3g} k MACs" in words
    assert f"{before.parameters / 1e3:.3g} k → {after.parameters / 1e3:.3g} k parameters" in words
    assert words.endswith(f"{before.peak_activation_bytes / 1e3:.3g} kB → {after.peak_activation_bytes / 1e3:.3g} kB peak of activations")  # fmt: skip # noqa: E501


def test_only_layers_that_lost_channels_are_listed():
    assert width_rows((Width("a", 8, 4), Width("b", 8, 8))) == [("a", "8", "4")]
