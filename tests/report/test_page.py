"""``rdpass report``: everything a run folder says, on one page that needs nothing else."""

import json
import re
from html.parser import HTMLParser

import pytest
import torch

import rdpass
from rdpass.cli.app import run
from rdpass.core.checksums import sealed_object
from rdpass.core.errors import IntegrityError
from rdpass.core.printable import short_count
from rdpass.report.page import report_page, write_report
from tests.models import small_resnet_of_four


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


def test_a_page_says_what_the_folder_says_and_loads_nothing(trained, tmp_path, capsys):
    assert run(["report", str(trained), "--html", str(tmp_path / "report.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    page, record = Page(text), json.loads((trained / "conversion.json").read_text())
    assert page.open == []
    for outcome in record["outcomes"]:
        assert {outcome["add"], outcome["how"], outcome["reason"]} <= set(page.words)
    for gate in record["gates"]:
        assert {gate["name"], f"{gate['error']:.2e}"} <= set(page.words)
    model = record["plan"]["forecast"]["model"]
    assert {short_count(record["cost"]["macs"]), short_count(model["fused"]["peak_bytes"], "B")} <= set(page.words)
    assert {"Loss", "Accuracy on held-out data", "Learning rate", "mixed_add"} <= set(page.words)
    assert "How far the shortcuts have faded" in page.words
    assert any(words.startswith("Share of the gradient's norm") for words in page.words)
    assert (trained / "config.toml").read_text().strip() in page.words
    assert not {"link", "img", "iframe"} & set(page.tags)
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    assert not re.search(r"https?://|@import|url\(", text)


def test_the_headline_comes_first_then_the_network_and_its_training_with_the_teachers_line(trained):
    text = report_page(trained)
    order = ["2 of 2 shortcuts are gone (2 distilled)", "top-1", "peak of activations", "parameters in float32",
             "<h2>The network", "<h2>Training", "<h2>Shortcuts", "<h2>Layers of the student", "<h2>Gates"]  # fmt: skip
    assert sorted(order, key=text.index) == order
    page, record = Page(text), json.loads((trained / "conversion.json").read_text())
    (compared,) = record["compared"][:1]
    assert f"{compared['teacher']['value']:.2f} → {compared['student']['value']:.2f} %" in page.words
    assert f"teacher: {compared['teacher']['value']:.4g} % at step 8" in page.words
    assert any("the student, with tiled kernels" in words for words in page.words)
    assert "details open" not in text


def test_a_gate_that_is_close_is_shown_unasked(trained, tmp_path):
    def close(record):
        record["gates"][0].update(error=0.9e-3, tolerance=1e-3)

    text = report_page(changed(trained, tmp_path / "run", close))
    assert "<details open><summary>" in text
    assert "used 90 % of its tolerance, and 1 used more than half" in text


def test_a_page_goes_to_stdout(trained, capsys):
    assert run(["report", str(trained), "--html", "-"]) == 0
    assert capsys.readouterr().out == report_page(trained) + "\n"


def test_a_drawing_that_is_none_is_refused_and_a_folder_without_one_has_a_page(trained, tmp_path):
    folder = changed(trained, tmp_path / "run", lambda record: None)
    assert "<h2>The network" not in report_page(folder)
    (folder / "network.svg").write_text("<svg>")
    with pytest.raises(IntegrityError, match=r"network\.svg can't be read"):
        report_page(folder)


def changed(trained, folder, change):
    """The record of a run in a folder of its own, changed."""
    folder.mkdir()
    record = json.loads((trained / "conversion.json").read_text())
    change(record)
    del record["sha256"]
    (folder / "conversion.json").write_text(json.dumps(sealed_object({**record, "files": {}})))
    return folder


def test_a_run_without_training_has_no_curves(tmp_path):
    rdpass.convert(small_resnet_of_four(), torch.randn(1, 3, 8, 8), recipe="carry", max_macs=9, out=tmp_path / "run")
    text = write_report(tmp_path / "run", tmp_path / "report.html").read_text()
    assert "carried" in text
    assert "<h2>Training" not in text


def test_what_a_model_is_called_is_text_and_not_markup(trained, tmp_path):
    def rename(record):
        record["outcomes"][0]["reason"] = "<script>alert(1)</script>"

    copied = changed(trained, tmp_path / "<b>run", rename)
    (copied / "history.jsonl").write_text(json.dumps({"kind": "step", "step": 1, "loss": 1.0, "loss.<i>": 0.5}) + "\n")
    text = write_report(copied, tmp_path / "report.html").read_text()
    assert Page(text).tags.count("script") == 1
    assert "&lt;script&gt;" in text
