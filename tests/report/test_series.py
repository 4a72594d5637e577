"""Curves from a history: finite points, in the order of steps."""

from rdpass.report.series import Series, figures_of


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


def test_terms_are_shown_beside_their_sum_where_there_are_several():
    one = figures_of([{"kind": "step", "step": 1, "loss": 1.0, "loss.task": 1.0}])
    assert [series.name for series in one[0].series] == ["sum"]
    two = figures_of([{"kind": "step", "step": 1, "loss": 3.0, "loss.task": 1.0, "loss.teacher": 2.0}])
    assert {series.name: series.points for series in two[0].series} == {
        "sum": ((1.0, 3.0),), "task": ((1.0, 1.0),), "teacher": ((1.0, 2.0),),
    }  # fmt: skip


def test_shares_are_in_per_cent_and_a_term_may_be_missing_in_some_lines():
    lines = [
        {"kind": "step", "step": 1, "share.add": 0.25, "faded": 0.0},
        {"kind": "step", "step": 2, "faded": 0.5},
        {"kind": "epoch", "step": 2, "validation_loss": 0.125},
    ]
    figures = {figure.title.partition(",")[0]: figure for figure in figures_of(lines)}
    assert figures["How far the shortcuts have faded"].series[0].points == ((1.0, 0.0), (2.0, 50.0))
    (share,) = figures["Share of the gradient's norm that comes through the teacher"].series
    assert (share.name, share.points) == ("add", ((1.0, 25.0),))
    assert figures["Loss on held-out data"].series[0].points == ((2.0, 0.125),)


def test_of_no_lines_there_is_no_figure():
    assert figures_of([]) == ()
    assert figures_of([{"kind": "step", "step": 1, "loss": float("inf")}]) == ()


def test_the_teachers_line_is_as_long_as_the_students_curve():
    lines = [{"kind": "epoch", "step": step, "accuracy": 80.0 + step} for step in (2, 4, 6)]
    (figure,) = figures_of(lines, {"accuracy": 90.0})
    student, teacher = figure.series
    assert teacher == Series("teacher", ((2.0, 90.0), (6.0, 90.0)), is_reference=True)
    (one,) = figures_of(lines[:1], {"accuracy": 90.0})
    assert one.series[1].points == ((2.0, 90.0),)
    (other,) = figures_of(lines, {"validation_loss": 1.0})
    assert other.series == (student,)
