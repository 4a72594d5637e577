"""``rdpass report``: everything a run folder says, on one page that needs nothing else."""

import json
import re
from html.parser import HTMLParser

import pytest
import torch

import rdpass
from rdpass.cli.app import run
from rdpass.core.checksums import sealed_object
from rdpass.report import write_report
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import small_resnet_of_four

EXAMPLE = torch.randn(1, 3, 8, 8)


class Page(HTMLParser):
    """The words of a page, and the elements and attributes it is made of."""

    def __init__(self, text):
        super().__init__()
        self.words, self.tags, self.attributes, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        self.open += [tag] if tag != "meta" else []

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data.strip())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "run"
    rdpass.convert(
        small_resnet_of_four(), EXAMPLE, train=batches(4), validate=batches(2, seed=1), recipe="migrate",
        config=DistillConfig(epochs=2, log_steps=1, share_steps=2, paths={"mixed": True}), out=folder,
        show_progress=False,
    )  # fmt: skip
    return folder


def test_a_page_says_what_the_folder_says_and_loads_nothing(trained, tmp_path, capsys):
    assert run(["report", str(trained), "--html", str(tmp_path / "report.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    page, record = Page(text), json.loads((trained / "conversion.json").read_text())
    assert page.open == []
    for outcome in record["outcomes"]:
        assert {outcome["add"], outcome["how"], outcome["reason"]} <= set(page.words)
    for gate in record["gates"]:
        assert {gate["name"], f"{gate['error']:.1e}"} <= set(page.words)
    assert f"{record['cost']['macs']:,}" in page.words
    assert f"{record['plan']['forecast']['model']['fused']['peak_bytes']:,}" in page.words
    assert {"Loss", "Accuracy on held-out data", "Learning rate", "mixed_add"} <= set(page.words)
    assert "How far the shortcuts have faded" in page.words
    assert any(words.startswith("Share of the gradient's norm") for words in page.words)
    assert (trained / "config.toml").read_text().strip() in page.words
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    assert not re.search(r"https?://|@import|url\(", text)


def test_a_run_without_training_has_no_curves(tmp_path):
    rdpass.convert(small_resnet_of_four(), EXAMPLE, recipe="carry", max_macs=9, out=tmp_path / "run")
    text = write_report(tmp_path / "run", tmp_path / "report.html").read_text()
    assert "carried" in text
    assert "<svg" not in text


def test_what_a_model_is_called_is_text_and_not_markup(trained, tmp_path):
    copied = tmp_path / "<b>run"
    copied.mkdir()
    record = json.loads((trained / "conversion.json").read_text())
    record["outcomes"][0]["reason"] = "<script>alert(1)</script>"
    del record["sha256"], record["files"]
    (copied / "conversion.json").write_text(json.dumps(sealed_object({**record, "files": {}})))
    (copied / "history.jsonl").write_text(json.dumps({"kind": "step", "step": 1, "loss": 1.0, "loss.<i>": 0.5}) + "\n")
    text = write_report(copied, tmp_path / "report.html").read_text()
    assert "script" not in Page(text).tags
    assert "&lt;script&gt;" in text
