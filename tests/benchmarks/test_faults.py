"""The campaigns of deliberate faults: a few of each survive, and one that does not is counted and told."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace

import onnx
import pytest

from benchmarks.fault_campaigns import (
    bundles,
    commands,
    graphs,
    inputs,
    random_graphs,
    records,
    same_bytes,
    untrusted,
    writing,
)
from benchmarks.fault_campaigns.trials import Tally, mutated
from benchmarks.faults import CAMPAIGNS
from rdpass.core.errors import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("campaign", "size"),
    [
        (records.campaign, 10),
        (writing.campaign, 6),
        pytest.param(bundles.campaign, 20, marks=pytest.mark.slow),
        pytest.param(inputs.campaign, 20, marks=pytest.mark.slow),
        pytest.param(untrusted.campaign, 15, marks=pytest.mark.slow),
        pytest.param(graphs.campaign, 6, marks=pytest.mark.slow),
        pytest.param(same_bytes.campaign, 2, marks=pytest.mark.slow),
        pytest.param(commands.campaign, 12, marks=pytest.mark.slow),
    ],
    ids=["records", "writing", "bundles", "inputs", "untrusted", "graphs", "bytes", "commands"],
)
def test_a_few_faults_of_each_campaign_survive(campaign, size, tmp_path):
    tally = campaign(size, tmp_path)
    assert tally.tried >= size
    assert tally.seen == []
    assert tally.survived == tally.tried


def test_random_graphs_have_many_operators_and_are_drawn_again_alike():
    drawn = [random_graphs.sound_graph(seed) for seed in range(60)]
    assert len({node.op_type for model in drawn for node in model.graph.node}) >= 40
    assert any(len(model.graph.output) > 1 for model in drawn)
    assert random_graphs.sound_graph(7).SerializeToString() == drawn[7].SerializeToString()


@pytest.mark.parametrize(("difference", "survived"), [(0.0, True), (1e-3, False)])
def test_a_graph_with_another_number_does_not_survive(difference, survived, tmp_path, monkeypatch):
    exact = graphs.run_onnx
    monkeypatch.setattr(graphs, "compile", lambda path, *_, **__: SimpleNamespace(folder=path))
    monkeypatch.setattr(graphs, "_given", lambda path, x, _: [y + difference for y in exact(onnx.load(path), x)])
    tally = graphs.campaign(3, tmp_path)
    assert tally.survived == (3 if survived else 0)


def test_more_refused_than_one_in_five_is_a_fault(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ConfigError("no")

    monkeypatch.setattr(graphs, "compile", refuse)
    tally = graphs.campaign(5, tmp_path)
    assert (tally.tried, tally.survived) == (6, 5)
    assert tally.seen == ["5 of 5 refused: [('ConfigError: no', 5)]"]


def test_what_does_not_survive_is_counted_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "load_checkpoint", lambda path: {"number": 0})
    monkeypatch.setattr(writing.shutil, "which", lambda name: None)
    tally = writing.campaign(6, tmp_path)
    assert (tally.tried, tally.survived) == (3, 0)
    assert tally.seen == ["a damaged checkpoint: 0"] * 3


def test_a_tally_keeps_what_was_seen_of_those_alone_that_did_not_survive():
    tally = Tally("any")
    tally.count(True, "fine")
    tally.count(False, "broken")
    assert (tally.tried, tally.survived, tally.seen) == (2, 1, ["broken"])


def test_mutations_are_other_bytes_nearly_always():
    random, content = Random(0), bytes(range(256)) * 4
    others = sum(mutated(content, random) != content for _ in range(200))
    assert others > 190
    assert mutated(b"", random) == b"\0"


def test_the_long_campaigns_are_as_long_as_the_page_says():
    page = (ROOT / "docs" / "reliability.md").read_text()
    for _, quick, long in CAMPAIGNS.values():
        assert quick < long
        assert f"| {long} |" in page


@pytest.mark.slow
def test_the_command_prints_json_and_ends_well():
    command = [sys.executable, str(ROOT / "benchmarks" / "faults.py"), "records", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [{"campaign": "tuning records", "tried": 20, "survived": 20}]
