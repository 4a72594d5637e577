"""What a tuning record belongs to: records of other sources are never used."""

from rdpass.database.keys import code_key, sources


def test_an_edit_in_a_sub_folder_is_another_version_of_the_kernels(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "direct.py").write_text("tile = 4")
    before = sources(tmp_path)
    (tmp_path / "templates" / "direct.py").write_text("tile = 8")
    assert sources(tmp_path) != before


def test_a_file_that_moves_to_another_folder_is_another_version_too(tmp_path):
    (tmp_path / "direct.py").write_text("tile = 4")
    before = sources(tmp_path)
    (tmp_path / "templates").mkdir()
    (tmp_path / "direct.py").rename(tmp_path / "templates" / "direct.py")
    assert sources(tmp_path) != before


def test_compiled_files_do_not_count(tmp_path):
    (tmp_path / "direct.py").write_text("tile = 4")
    before = sources(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "direct.pyc").write_bytes(b"\0")
    assert sources(tmp_path) == before


def test_the_version_of_today_is_twelve_hexadecimal_digits():
    assert len(code_key()) == 12
    assert int(code_key(), 16) >= 0
