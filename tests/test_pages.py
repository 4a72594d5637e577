"""What pages show is true: command lines parse, code runs or it is said why not, messages are the program's."""

import ast
import re
import shlex
import shutil
from itertools import product

import pytest
import torch
import typer
from typer.main import get_command

from rdpass.cli.app import app, run
from tests.data import batches, photographs
from tests.models import small_resnet_of_four
from tests.test_links import PAGES, ROOT

SHELL_NOT_RUN = {
    "CONTRIBUTING.md": "the test suite itself",
    "README.md": "a board and photographs; tests/test_road.py and tests/cli run such commands on small networks",
    "benchmarks/research/README.md": "trainings of hours; tests/research run the command on one step",
    "docs/demo.md": "tests/benchmarks/test_demo.py runs the demo",
    "docs/evaluate.md": "a network and data of the reader's",
    "docs/extending/package.md": "installs a package; the test of that page loads it as installed",
    "docs/extending/sweep.md": "trainings of hours; the test of that page runs its Python",
    "docs/files.md": "files of the reader's",
    "docs/fit.md": "trainings of hours; tests/cli/test_fit.py runs the command",
    "docs/inspect.md": "counts networks for hours; tests/benchmarks/test_forecast_error.py runs the script",
    "docs/install.md": "installs, as root or from a proxy",
    "docs/on-your-board.md": "a board",
    "docs/precision.md": "a run folder of the reader's; tests/cli/test_quantize.py runs the command",
    "docs/profiling.md": "a board; tests/cli/test_profile.py runs the command",
    "docs/recipes.md": "trainings of hours; tests/recipes run every recipe",
    "docs/training.md": "a network and data of the reader's; tests/cli/test_convert.py runs the command",
    "examples/board/README.md": "a board; tests/deploy/runtime/test_examples.py builds and runs the program",
    "docs/worth-it.md": "a network of the reader's; tests/cli/test_inspect.py runs the command",
    "docs/your-data.md": "photographs of the reader's; tests/cli/test_image_options.py runs the commands",
}
"""Pages whose shell commands are parsed, and what running them would need."""

PYTHON_NOT_RUN = {
    "docs/arm-cost.md": "a kernel and inputs; tests/profiling/emulation/test_kernel.py calls it so",
    "docs/fit.md": "trainings of hours; the docstring's example of rdpass.fit runs",
    "docs/on-your-board.md": "a board; tests/deploy/runtime/test_python_runtime.py calls it so",
    "runtime/README.md": "a board; tests/deploy/runtime/test_python_runtime.py calls it so",
    "docs/reference/api.md": "a board; each name's docstring has an example that runs",
    "docs/training.md": "a segmenter; tests/training runs such losses",
    "docs/worth-it.md": "a RetinaNet, whose estimate takes minutes",
}
"""Pages whose Python is not run here, and why."""

PYTHON_RUN_ELSEWHERE = {f"docs/extending/{page.name}" for page in (ROOT / "docs/extending").glob("*.md")}
"""tests/test_extending.py runs these."""

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"`(rdpass [^`]+)`")
ENDS = {"|", "||", "&&", ";", ">", "2>", "&"}
OMITTED = re.compile(r"\[.*?\]|…|\.\.\.")


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks(page, *languages):
    return [code for language, code in FENCE.findall(page.read_text()) if language in languages]


def command_lines(page):
    """The lines of a page that a reader would type: of blocks of shell, of sessions, and of indented code."""
    text = page.read_text()
    for code in blocks(page, "sh"):
        yield from code.replace("\\\n", " ").splitlines()
    for code in blocks(page, ""):
        yield from re.findall(r"^\$ (.+)$", code.replace("\\\n", " "), re.M)
    yield from re.findall(r"^    ((?:rdpass|python3?) .+)$", FENCE.sub("", text).replace("\\\n", " "), re.M)


def simple_commands(line):
    """The words of each command of a line, without variables before it."""
    words = []
    for word in [*shlex.split(line, comments=True), ";"]:
        if word not in ENDS:
            words.append(word)
            continue
        while words and re.fullmatch(r"\w+=.*|\$", words[0]):
            words.pop(0)
        if words:
            yield words
        words = []


def arguments_of_rdpass(words):
    """The arguments, if a command is rdpass: by name, or as a module of Python."""
    if words[0] == "rdpass":
        return words[1:]
    if words[0] in ("python", "python3", "torchrun") and "rdpass" in words and words[words.index("rdpass") - 1] == "-m":
        return words[words.index("rdpass") + 1 :]
    return None


def command_named(words):
    """The command of the real program, the name of which ``words`` begin with, and its arguments."""
    found, left = get_command(app), list(words)
    while hasattr(found, "commands") and left and not left[0].startswith("-"):
        name = left.pop(0)
        assert name in found.commands, f"there is no command {name}"
        found = found.commands[name]
    return found, left


def parse(words):
    """Parse a whole command line as the program does, up to where it would begin to work."""
    if "--help" in words or words == ["--version"]:
        return
    found, left = command_named(words)
    found.make_context("rdpass", [re.sub(r"\$\w+", "1", word) for word in left])  # variables of the shell


def check_options(words):
    """Hold the options of a command line in running text to those that the command has; it may leave others out.

    Where names stand with a bar between (``db check|merge``), each is a command.
    """
    for names in product(*(word.split("|") for word in words if not word.startswith("-"))):
        command_named([*names])
    found, left = command_named([word.split("|")[0] for word in words])
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.split("=")[0] for word in left if word.startswith("--")} <= known | {"--help", "--version"}


def script_of(words):
    """The file of the repository that a command runs by Python, and its options."""
    if words[0] not in ("python", "python3") or len(words) < 2:
        return None
    named = words[2].replace(".", "/") + ".py" if words[1] == "-m" and len(words) > 2 else words[1]
    file = next((path for path in (ROOT / named, ROOT / named[:-3] / "command.py") if path.is_file()), None)
    return (file, [word for word in words if word.startswith("--")]) if file else None


def targets_of_make(words, here):
    """The targets that a ``make`` is asked for, and those of its file: in ``here``, behind ``-C``, or at the top."""
    if words[:1] == ["-C"]:
        here, words = ROOT / words[1], words[2:]
    file = next(place / "Makefile" for place in (here, ROOT) if (place / "Makefile").exists())
    return {word for word in words if "=" not in word}, set(re.findall(r"^([a-z-]+):", file.read_text(), re.M))


each_page = pytest.mark.parametrize("page", PAGES, ids=map(name_of, PAGES))


def test_a_command_line_that_the_program_would_refuse_is_told():
    refused = (AssertionError, typer.BadParameter.__mro__[1])  # of all that is wrong with how a command is used
    for line in ("conwert a", "inspect a --inputs 1x3", "convert a", "run", "compile a.onnx -o b --runtime no"):
        with pytest.raises(refused):
            parse(line.split())
    parse(["inspect", "a:b", "--input", "1x3x8x8"])
    with pytest.raises(AssertionError):
        check_options(["compile", "--sgin", "key.pem"])
    assert list(simple_commands("A=1 rdpass doctor && make x  # y")) == [["rdpass", "doctor"], ["make", "x"]]


@each_page
def test_command_lines_of_a_page_parse(page):
    if page.name == "CHANGELOG.md":
        pytest.skip("older releases had other commands")
    for line in command_lines(page):
        if OMITTED.search(line) or "<<" in line:
            continue
        for words in simple_commands(line):
            arguments, script = arguments_of_rdpass(words), script_of(words)
            if arguments is not None:
                parse(arguments)
            elif words[0] == "make":
                targets, known = targets_of_make(words[1:], page.parent)
                assert targets <= known, line
            elif script is not None:
                source = script[0].read_text()
                assert [option for option in script[1] if f'"{option}"' not in source] == [], line


@each_page
def test_commands_in_the_text_of_a_page_have_the_options_that_they_are_shown_with(page):
    if page.name == "CHANGELOG.md":
        pytest.skip("older releases had other commands")
    for line in INLINE.findall(FENCE.sub("", page.read_text())):
        words = [word for word in line.replace("\\|", "|").split()[1:] if word != "…"]
        if words and re.fullmatch(r"[a-z|]+|--\w+", words[0]):
            check_options(words)


@each_page
def test_code_of_a_page_runs_in_a_test_or_it_is_said_why_not(page):
    name = name_of(page)
    has_shell, has_python = bool(blocks(page, "sh")), bool(blocks(page, "python"))
    assert (name in SHELL_NOT_RUN) == (has_shell and name != "docs/start.md")
    runs = name in PYTHON_RUN or name in PYTHON_RUN_ELSEWHERE
    assert (name in PYTHON_NOT_RUN) == (has_python and not runs)


def strings_of_the_program():
    """Every constant text in the sources, those of formatted strings in parts, and the runner's C++ as it stands."""
    for folder in ("rdpass", "passes", "kernels"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
    for file in (ROOT / "rdpass/deploy/runtime").iterdir():
        yield file.read_text() if file.suffix in (".cc", ".h") else ""


def test_the_messages_on_the_page_of_troubles_are_those_of_the_program():
    said = "\n".join(strings_of_the_program())
    page = (ROOT / "docs/troubleshooting.md").read_text()
    quoted = [message for row in re.findall(r"^\| (`.+?`) \|", page, re.M) for message in re.findall("`([^`]+)`", row)]
    assert len(quoted) > 25
    parts = [part.strip() for message in quoted for part in message.split("…")]
    assert [part for part in parts if part not in said] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


PYTHON_RUN = {
    "README.md": (),
    "docs/evaluate.md": ("run", "student-int8.onnx"),
    "docs/exact.md": (),
    "docs/precision.md": ("run",),
    "docs/your-data.md": (),
}
"""Pages whose Python runs on small settings, and what of the README's results they start from."""

SMALLER = {
    'target="rpi5"': 'target="host"',
    '"photos/", 96': '"photos/", 8',
    "1, 3, 96, 96": "1, 3, 8, 8",
    'augment="crop")': 'augment="crop", batch_size=4)',
    'quantize="int8", out="run/"': 'quantize="int8", out="another/"',
    'save("student-int8.onnx")': 'save("trained-int8.onnx")',
}


def run_blocks(name, folder, monkeypatch):
    """Run a page's Python in ``folder`` as a reader with a small network would."""
    monkeypatch.chdir(folder)
    import rdpass

    names = {
        "rdpass": rdpass, "torch": torch, "model": small_resnet_of_four(), "loader": batches(2),
        "held_out": batches(1, seed=1), "example": torch.randn(1, 3, 8, 8),
    }  # fmt: skip
    for code in blocks(ROOT / name, "python"):
        for long, short in SMALLER.items():
            code = code.replace(long, short)
        exec(compile(code, name, "exec"), names)
    return names


@pytest.fixture(scope="module")
def readme(tmp_path_factory):
    """What the README's Python leaves behind."""
    folder = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        names = run_blocks("README.md", folder, patch)
    return folder, names


@pytest.mark.slow
def test_the_python_of_the_readme_runs(readme):
    folder, names = readme
    assert [outcome.how for outcome in names["exact"].outcomes] != []
    assert names["small"].report.sqnr > 0
    assert (folder / "student.rdp" / "manifest.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PYTHON_RUN if name != "README.md"])
def test_the_python_of_a_page_runs(name, readme, tmp_path, monkeypatch):
    photographs(tmp_path / "photos", {"a": 6, "b": 6, "c": 6, "d": 6})
    for wanted in PYTHON_RUN[name]:
        source = readme[0] / wanted
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / wanted)
    run_blocks(name, tmp_path, monkeypatch)


@pytest.mark.slow
def test_the_commands_of_the_first_ten_minutes_run_on_a_small_network(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    smaller = {
        "benchmarks.fashion_mnist.bottleneck20:trained": "tests.cli.given:resnet", "1x1x28x28": "1x3x8x8",
        "benchmarks.fashion_mnist.data:loaders": "tests.cli.given:data", "--epochs 4": "--epochs 1", "--images 100": "",
    }  # fmt: skip
    ended = {}
    for line in command_lines(ROOT / "docs/start.md"):
        if (
            not line.startswith("rdpass")
            or "my_model" in line
            or "photos" in line
            or "rpi5" in line
            or "cat.jpg" in line
        ):
            continue
        for long, short in smaller.items():
            line = line.replace(long, short)
        for words in simple_commands(line if "inspect" in line else line.replace("rpi4", "host")):
            if "--fetch-runtime" not in words:
                ended[line] = run(words[1:])
    assert len(ended) == 7
    assert set(ended.values()) == {0}, ended
    assert (tmp_path / "report.html").exists()
    assert "Worth training" in (said := capsys.readouterr().out) or "Compile it as it is" in said
