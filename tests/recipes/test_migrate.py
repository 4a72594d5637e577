"""``migrate``: identities and streams that take over, and what the outcomes say."""

from torch import nn

from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from tests.models import (
    PreActivation,
    seeded,
)
from tests.recipes.nets import converted, hostile


def test_the_outcomes_say_what_took_over():
    result = converted(seeded(hostile), "migrate")
    assert [outcome.reason for outcome in result.outcomes] == [
        f"migrated onto {count} convolutions" for count in (3, 3, 2, 3)
    ]
    result = converted(seeded(hostile), "anneal")
    assert {outcome.reason for outcome in result.outcomes} == {"faded out"}


def test_pre_activation_networks_migrate_to_what_deletion_would_look_like():
    build = lambda: nn.Sequential(  # noqa: E731
        nn.Conv2d(3, 8, 3, 1, 1), PreActivation(8), PreActivation(8), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    result = converted(seeded(build), "migrate")
    check_plain(result.student)
    assert [outcome.reason for outcome in result.outcomes] == ["migrated onto 2 convolutions"] * 2
