"""Look-ups by name: built-in entries, registered ones, and entry points of packages that are well or ill."""

import logging

import pytest

from rdpass.core.errors import ConfigError
from rdpass.core.registry import Registry

GROUP = "rdpass.tests.numbers"


def whole(name, given):
    if not isinstance(given, int):
        raise ConfigError(f"number {name!r} is to be an int")
    return given


@pytest.fixture
def numbers():
    return Registry("number", GROUP, {"one": 1, "two": 2}, whole, reserved=("any",))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes an installed package of one module with entry points."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, source, **points):
        (tmp_path / f"{name}.py").write_text(source)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "".join(f"{point} = {name}:{value}\n" for point, value in points.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")

    return install


def test_entries_are_listed_in_order_ours_first(numbers, package):
    numbers.register("nine")(9)
    package("pack_of_two", "four, three = 4, 3\n", three="three", four="four")
    assert numbers.names() == ("one", "two", "nine", "four", "three")
    assert numbers.entries() == {"one": 1, "two": 2, "nine": 9, "four": 4, "three": 3}


def test_a_package_is_imported_only_when_its_entry_is_asked_for(numbers, package):
    package("pack_counted", "import builtins\nbuiltins.imported_packs = 1\nthree = 3\n", three="three")
    import builtins

    assert numbers.get("one") == 1
    assert "three" in numbers.names()
    assert not hasattr(builtins, "imported_packs")
    assert numbers.find("three") == 3
    assert builtins.imported_packs == 1
    del builtins.imported_packs


def test_an_unknown_name_is_answered_with_the_list_and_what_was_meant(numbers):
    with pytest.raises(ConfigError, match=r"^no number is called 'onne'; known are one, two; did you mean one\?$"):
        numbers.find("onne")
    with pytest.raises(ConfigError, match=r"known are one, two$"):
        numbers.find("hundred")
    assert numbers.hint("anny", ["any"]) == "; did you mean any?"


def test_a_package_that_fails_is_named_and_leaves_the_others_alone(numbers, package, caplog):
    package("pack_broken", "raise RuntimeError('no licence found\\nat all')\n", seven="seven")
    package("pack_other", "eight = 8\nword = 'x'\n", eight="eight", word="word", gone="gone")
    with pytest.raises(ConfigError) as failed:
        numbers.find("seven")
    assert str(failed.value) == (
        "number 'seven' of the package pack_broken can't be loaded (entry point seven = pack_broken:seven of"
        " rdpass.tests.numbers): RuntimeError: no licence found"
    )
    with pytest.raises(ConfigError, match=r"pack_other can't be loaded .*: number 'word' is to be an int"):
        numbers.find("word")
    with pytest.raises(ConfigError, match=r"pack_other can't be loaded .*: AttributeError: .*gone"):
        numbers.find("gone")
    assert (numbers.find("eight"), numbers.find("two")) == (8, 2)
    with caplog.at_level(logging.WARNING):
        assert list(numbers.entries()) == ["one", "two", "eight"]
    assert [record.message.partition(" of")[0] for record in caplog.records] == [
        "left out: number 'gone'", "left out: number 'seven'", "left out: number 'word'",
    ]  # fmt: skip


def test_a_name_that_is_given_twice_is_refused_and_both_are_named(numbers, package):
    with pytest.raises(ConfigError, match=rf"number 'one' is given twice, by rdpass and by {__name__}; one needs"):
        numbers.register("one")(3)
    package("pack_a", "five = 5\n", five="five")
    package("pack_b", "five = 5\n", five="five")
    for look_up in (lambda: numbers.find("five"), numbers.entries):
        with pytest.raises(ConfigError, match="'five' is given twice, by pack_a and by pack_b"):
            look_up()
    assert numbers.find("one") == 1


def test_a_package_cannot_take_the_name_of_one_of_ours(numbers, package):
    package("pack_thief", "two = 22\n", two="two")
    assert numbers.find("two") == 2
    with pytest.raises(ConfigError, match="'two' is given twice, by rdpass and by pack_thief"):
        numbers.entries()


def test_a_module_may_register_what_its_entry_point_names(numbers, package, monkeypatch):
    import builtins

    monkeypatch.setattr(builtins, "numbers_to_fill", numbers, raising=False)
    package("pack_both", "import builtins\nsix = 6\nbuiltins.numbers_to_fill.register('six')(six)\n", six="six")
    assert numbers.find("six") == 6
    assert numbers.entries() == {"one": 1, "two": 2, "six": 6}


@pytest.mark.parametrize(("name", "value", "reason"), [
    ("any", 1, "rdpass uses it for something else"), ("a,b", 1, "letters, digits"), ("half", 0.5, "is to be an int"),
])  # fmt: skip
def test_what_is_no_entry_is_refused(numbers, name, value, reason):
    with pytest.raises(ConfigError, match=reason):
        numbers.register(name)(value)
    assert numbers.names() == ("one", "two")


def test_a_listing_says_where_each_comes_from_and_why_one_cannot_be_used(numbers, package):
    numbers.register("nine")(9)
    package("pack_listed", "three, word = 3, 'x'\n", three="three", word="word")
    package("pack_again", "three = 3\n", three="three")
    listed = {each.name: each for each in numbers.listed()}
    assert [(each.name, each.origin, each.value) for each in listed.values()] == [
        ("one", "rdpass", 1), ("two", "rdpass", 2), ("nine", __name__, 9), ("three", "pack_again, pack_listed", None),
        ("word", "pack_listed", None),
    ]  # fmt: skip
    assert "is given twice, by pack_again and by pack_listed" in listed["three"].unusable
    assert "number 'word' is to be an int" in listed["word"].unusable
    assert listed["one"].unusable == ""
