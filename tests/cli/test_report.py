"""``rdpass report``: a page of a run folder, and what is refused."""

import pytest
import torch

import rdpass
from rdpass.cli.app import run
from tests.models import small_resnet_of_four


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "run"
    rdpass.convert(small_resnet_of_four(), torch.randn(1, 3, 8, 8), recipe="carry", max_macs=9, out=folder)
    return folder


def test_what_is_no_run_folder_and_a_file_that_is_there_are_refused(converted, tmp_path, capsys):
    assert run(["report", str(tmp_path), "--html", str(tmp_path / "report.html")]) == 2
    assert "not the output folder of rdpass convert" in capsys.readouterr().err
    (tmp_path / "report.html").write_text("mine")
    assert run(["report", str(converted), "--html", str(tmp_path / "report.html")]) == 2
    assert (tmp_path / "report.html").read_text() == "mine"
    assert run(["report", str(converted), "--html", str(tmp_path / "report.html"), "--force"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_page_is_where_it_was_asked_for_and_its_path_is_printed(converted, tmp_path, capsys):
    assert run(["report", str(converted), "--html", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "page.html")
    assert "carried" in (tmp_path / "page.html").read_text()


def test_a_page_needs_a_place(converted, capsys):
    assert run(["report", str(converted)]) == 2
    assert "--html" in capsys.readouterr().err
