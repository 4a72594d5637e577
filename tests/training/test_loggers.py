"""Loggers: the numbers of the history, to those that were named, and to nobody else."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig
from rdpass.training.loggers import check_loggers, open_loggers
from rdpass.training.records import read_history
from tests.training.interrupting import Stops
from tests.training.support import trained


@pytest.fixture
def calls(monkeypatch):
    """What wandb and mlflow were called with: modules of these names that note it down."""
    noted = []

    def noting(name, result=None):
        return lambda *given, **named: (noted.append((name, given, named)), result)[1]

    run = SimpleNamespace(log=noting("log"), finish=noting("finish"))
    wandb, mlflow = ModuleType("wandb"), ModuleType("mlflow")
    wandb.init = noting("init", run)
    for name in ("start_run", "log_params", "log_metrics", "end_run"):
        setattr(mlflow, name, noting(name))
    mlflow.active_run = lambda: None
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    return noted


def written(folder):
    return [({f"{line['kind']}/{name}": value for name, value in line.items() if name not in ("kind", "step")},
             line["step"]) for line in read_history(folder / "history.jsonl")]  # fmt: skip


def test_tensorboard_gets_the_numbers_of_the_history(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trained(checkpoint=tmp_path / "c.pt", tensorboard=True, log_steps=4)
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    lines = [line for line in read_history(tmp_path / "history.jsonl") if line["kind"] == "step"]
    scalars = events.Scalars("step/loss.task")
    assert [(event.step, event.value) for event in scalars] == [
        (line["step"], pytest.approx(line["loss.task"], rel=1e-6)) for line in lines
    ]
    assert len(events.Scalars("epoch/loss")) == 2
    with pytest.raises(ConfigError, match="needs an output folder"):
        trained(log=["tensorboard"])


def test_wandb_gets_settings_and_the_lines_of_the_history(tmp_path, calls):
    folder = tmp_path / "run.partial"
    trained(checkpoint=folder / "c.pt", log=("wandb",), log_steps=4)
    name, _, given = calls[0]
    assert (name, given["project"], given["group"], given["name"], given["dir"]) == (
        "init", "rdpass", "run", "run", str(folder)
    )  # fmt: skip
    assert (given["config"]["epochs"], given["config"]["paths"]["mixed"]) == (2, False)
    assert [(values[0], rest["step"]) for _, values, rest in calls[1:-1]] == written(folder)
    assert calls[-1] == ("finish", (), {"exit_code": 0})


def test_mlflow_gets_settings_and_the_lines_of_the_history_and_is_told_of_a_failure(tmp_path, calls):
    folder = tmp_path / "run.partial"
    with pytest.raises(KeyboardInterrupt):
        trained(Stops(7), checkpoint=folder / "c.pt", log=("mlflow",), log_steps=2)
    assert calls[0] == ("start_run", (), {"run_name": "run", "nested": False})
    assert calls[1][1][0]["paths.mixed"] is False
    assert [(values[0], rest["step"]) for _, values, rest in calls[2:-1]] == written(folder)
    assert calls[-1] == ("end_run", (), {"status": "FAILED"})


def test_nothing_is_called_that_was_not_named(tmp_path, calls):
    trained(checkpoint=tmp_path / "c.pt", epochs=1)
    assert calls == []


@pytest.mark.parametrize(
    ("name", "module", "remedy"),
    [
        ("tensorboard", "torch.utils.tensorboard", r"pip install 'rdpass\[train\]'"),
        ("wandb", "wandb", "pip install wandb"),
        ("mlflow", "mlflow", "pip install mlflow"),
    ],
)
def test_a_package_that_is_missing_is_named_with_how_it_is_installed(monkeypatch, name, module, remedy):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=f"--log {name} needs the package {name}: {remedy}"):
        check_loggers(DistillConfig(log=(name,)), has_folder=True)


def test_a_logger_that_cannot_begin_is_named_and_those_before_it_are_closed(tmp_path, calls):
    def refusing(**given):
        raise OSError("no network")

    sys.modules["mlflow"].start_run = refusing
    with pytest.raises(ConfigError, match="mlflow can't begin a run: OSError: no network"):
        open_loggers(DistillConfig(log=("wandb", "mlflow")), tmp_path, 0, "int8")
    assert calls[0][2]["name"] == "rdpass/int8"
    assert calls[-1] == ("finish", (), {"exit_code": 1})
