import pytest

from rdpass.core.errors import ConfigError
from rdpass.sources.image_files import find_images
from tests.data import photographs


def names(files):
    return [path.name for path, _ in files]


def test_train_and_val_are_taken_as_they_are(tmp_path):
    photographs(tmp_path / "train", {"cat": 3, "dog": 2})
    photographs(tmp_path / "valid", {"dog": 1, "cat": 2}, seed=1)
    photographs(tmp_path / "test", {"cat": 1, "dog": 1}, seed=2)
    found = find_images(tmp_path, None, 0.2, 0)
    assert found.classes == ("cat", "dog")
    assert [label for _, label in found.train] == [0, 0, 0, 1, 1]
    assert [(path.parent.parent.name, label) for path, label in found.held_out] == [("valid", 0)] * 2 + [("valid", 1)]
    assert found.parts == f"valid/ of {tmp_path} is held out"


def test_a_share_of_each_class_is_held_out_by_seed_and_more_images_move_few(tmp_path):
    photographs(tmp_path, {"b": 20, "a": 10, ".cache": 1})
    found = find_images(tmp_path, None, 0.2, 0)
    assert found.classes == ("a", "b")
    assert [label for _, label in found.held_out] == [0, 0, 1, 1, 1, 1]
    assert not set(found.train) & set(found.held_out)
    assert len(found.train) == 24
    assert found == find_images(tmp_path, None, 0.2, 0)
    assert set(find_images(tmp_path, None, 0.2, 1).held_out) != set(found.held_out)
    assert set(found.held_out) < set(find_images(tmp_path, None, 0.4, 0).held_out)
    (tmp_path / "a" / "another.png").write_bytes((tmp_path / "a" / "0.png").read_bytes())
    again = find_images(tmp_path, None, 0.2, 0)
    assert len(set(found.held_out) - set(again.held_out)) <= 1
    assert find_images(tmp_path, None, 0, 0).held_out is None


def test_the_split_does_not_depend_on_where_the_folder_lies(tmp_path):
    one, other = (photographs(tmp_path / name, {"a": 8, "b": 8}) for name in ("one", "other"))
    assert names(find_images(one, None, 0.3, 5).held_out) == names(find_images(other, None, 0.3, 5).held_out)


def test_train_alone_is_split_too_and_folders_in_classes_are_searched(tmp_path):
    photographs(tmp_path / "train", {"cat": 4, "dog": 4})
    photographs(tmp_path / "train" / "dog", {"small": 2})
    found = find_images(tmp_path, None, 0.2, 0)
    assert (found.classes, len(found.train), len(found.held_out)) == (("cat", "dog"), 8, 2)


def test_labels_give_the_order_and_may_name_more_classes(tmp_path):
    photographs(tmp_path, {"a": 2, "b": 2})
    found = find_images(tmp_path, ["b", "z", "a"], 0.5, 0)
    assert {label for path, label in found.train if path.parent.name == "a"} == {2}
    assert {label for path, label in found.train if path.parent.name == "b"} == {0}
    with pytest.raises(ConfigError, match="has 'b', which is none of the 2 classes given as labels \\('a', 'c'\\)"):
        find_images(tmp_path, ["a", "c"], 0.5, 0)


def table(folder, text):
    file = folder / "photos.csv"
    file.write_text(text)
    return file


def test_a_table_names_paths_from_its_own_folder_labels_and_parts(tmp_path):
    photographs(tmp_path, {"x": 2, "y": 2})
    rows = "\ufefflabel,Path,split\nz,x/0.png,train\na,x/1.png,TRAIN\n\nz,y/0.png,val\nz,y/1.png,test\n"
    found = find_images(table(tmp_path, rows), None, 0.2, 0)
    assert found.classes == ("a", "z")
    assert [(path.relative_to(tmp_path).as_posix(), label) for path, label in found.train] == [
        ("x/0.png", 1), ("x/1.png", 0)
    ]  # fmt: skip
    assert names(found.held_out) == ["0.png"]
    plain = find_images(table(tmp_path, "file,class\nx/0.png,p\nx/1.png,p\ny/0.png,q\ny/1.png,q\n"), None, 0.5, 0)
    assert [label for _, label in plain.held_out] == [0, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x/0.png,cat\n", "looked for a first line that names the columns path and label .*; found 'x/0.png', 'cat'"),
        ("", "found nothing"),
        ("path,label\n", "names no image"),
        ("path,label\nx/0.png,\n", "line 2: the path or the label is empty"),
        ("path,label\nx/0.png,a\nx/gone.png,b\n", "line 3: there is no file .*gone.png; paths start at"),
        ("path,label,split\nx/0.png,a,train\nx/1.png,b,dev\n", "found 'dev'"),
        ("path,label,split\nx/0.png,a,val\nx/1.png,b,test\n", "no row has 'train'"),
        ("path,label\nx/0.png,a\nx/1.png,a\n", "images of one class alone, 'a'"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_with_its_line(tmp_path, text, said):
    photographs(tmp_path, {"x": 2})
    with pytest.raises(ConfigError, match=said):
        find_images(table(tmp_path, text), None, 0.2, 0)


def test_what_was_looked_for_is_named_and_what_is_there(tmp_path):
    with pytest.raises(ConfigError, match="looked for train/ with one of val/, valid/, validation/, test/, or for a"):
        find_images(tmp_path, None, 0.2, 0)
    (tmp_path / "cat.jpg").touch()
    with pytest.raises(ConfigError, match=r"found 'cat.jpg' in"):
        find_images(tmp_path, None, 0.2, 0)
    (tmp_path / "cats").mkdir()
    with pytest.raises(ConfigError, match="cats is taken for a class, and holds no image"):
        find_images(tmp_path, None, 0.2, 0)
    with pytest.raises(ConfigError, match="gone: there is no such folder"):
        find_images(tmp_path / "gone", None, 0.2, 0)


def test_a_file_that_is_no_image_is_named_before_any_is_decoded(tmp_path):
    photographs(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "b" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    with pytest.raises(ConfigError, match=r"b/torn.jpg can't be read as an image: .*; replace or remove it"):
        find_images(tmp_path, None, 0.2, 0)


def test_a_folder_whose_name_would_break_the_file_of_labels_is_named(tmp_path):
    photographs(tmp_path, {"cat": 2, "two\nlines": 2})
    with pytest.raises(ConfigError, match=r"class 1 is called 'two\\nlines': .*one a line"):
        find_images(tmp_path, None, 0.2, 0)
