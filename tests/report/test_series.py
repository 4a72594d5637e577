"""Curves from a history: finite points, in the order of steps."""

from rdpass.report.series import figures_of


def test_curves_leave_out_what_is_not_finite_and_are_in_the_order_of_steps():
    lines = [
        {"kind": "step", "step": 1, "loss": float("nan"), "lr": 0.1},
        {"kind": "step", "step": 2, "loss": 0.5, "lr": 0.1},
        {"kind": "epoch", "step": 2, "accuracy": 80.0},
    ]
    figures = {figure.title: figure for figure in figures_of(lines)}
    assert figures["Loss"].series[0].points == ((2.0, 0.5),)
    assert figures["Accuracy on held-out data"].series[0].points == ((2.0, 80.0),)
    assert figures["Learning rate"].series[0].points == ((1.0, 0.1), (2.0, 0.1))
