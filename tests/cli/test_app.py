"""What a user types wrong: one clear line, the right exit code, nothing half-written."""

import inspect
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import typer

import rdpass
from benchmarks.fault_campaigns.trials import small_network
from rdpass.cli.app import LEAST_FILES, LEAST_SPACE, app, run
from tests.cli.given import INPUT, RESNET, failure, resnet


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("inspect", "tests.cli.given:not_a_module"), 2, "gave a dict, not a torch.nn.Module"),
        (("inspect", "tests.cli.given:untraceable", *INPUT), 2, "models.py:"),
        (("inspect", "tests.cli.given:nothing_there"), 2, "can't be found"),
        (("inspect", "no_such_package:model"), 2, "can't be found"),
        (("inspect", "tests.cli.given:raising"), 2, "raised RuntimeError: no weights here"),
        (("inspect", "model.pth"), 2, "model.pth is not there, or no file"),
        (("inspect", "absent.pt2"), 2, "absent.pt2"),
        (("inspect", "model.onnx"), 2, "model.onnx: there is no such file"),
        (("inspect", RESNET, "--input", "1x4x8x8"), 2, "does not take an input of shape 1x4x8x8"),
        (("inspect", RESNET, "--input", "one"), 2, "is no shape"),
        (("inspect", RESNET, "--input", "y=1x3x8x8"), 2, "there is no input 'y'; the model takes"),
        (("inspect", RESNET, "--input", "1x3x999999999x999999999"), 2, "more than 2^31 numbers"),
        (("export", RESNET, *INPUT, "-o", "."), 2, "is no name for a file"),
        (("convert", RESNET, "--data", "tests.cli.given:data", "--device", "magic", "-o", "OUT"), 2, "--device magic"),
        (("convert", RESNET, "--data", "tests.cli.given:data", "--device", "meta", "-o", "OUT"), 2, "--device meta"),
        (
            ("convert", RESNET, "--data", "tests.cli.given:data", "--seed", "9" * 20, "-o", "OUT"),
            2,
            "seed: Input should",
        ),
        (("inspect", RESNET, "--input", "1x0x8x8"), 2, "is no shape"),
        (("convert", "tests.cli.given:vgg", *INPUT, "-o", "OUT"), 3, "no shortcut to remove"),
        (("convert", RESNET, *INPUT, "--skip", "*", "-o", "OUT"), 3, "left out by --skip"),
        (("convert", RESNET, *INPUT, "--recipe", "magic", "-o", "OUT"), 2, "there are auto, merge, carry, migrate"),
        (("convert", RESNET, *INPUT, "--recipe", "migrate", "-o", "OUT"), 2, "give it data"),
        (("convert", RESNET, "--data", "tests.cli.given:not_a_module", "--epochs", "0", "-o", "OUT"), 2, "epochs"),
        (
            ("convert", RESNET, "--data", "tests.cli.given:poisoned", "-o", "OUT"),
            5,
            "batch 0 holds inputs that are not",
        ),
        (("convert", RESNET, "--data", "tests.cli.given:empty", "-o", "OUT"), 5, "the data loader is empty"),
        (("convert", RESNET, "--data", "tests.cli.given:failing", "-o", "OUT"), 5, "at batch 0: OSError: unplugged"),
        (("convert", RESNET, *INPUT, "--resume", "maybe", "-o", "OUT"), 2, "resume is 'auto'"),
        (("export", "tests.cli.given:resnet", "--input", "1x1x8x8", "-o", "OUT"), 2, "does not take"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_call_ends_with_one_line_and_its_code(capsys, here, arguments, code, message):
    given = [here / "out" if argument == "OUT" else argument for argument in arguments]
    got, line = failure(capsys, *given)
    assert message in line
    assert got == code
    assert list(here.iterdir()) == []


def test_poisoned_data_end_with_the_code_of_training(capsys, here):
    code, line = failure(capsys, "convert", RESNET, *INPUT, "--data", "tests.cli.given:poisoned", "-o", here / "out")
    assert code == 5
    assert "batch 0 holds inputs that are not finite" in line
    assert list(here.iterdir()) == []


def test_an_existing_output_is_never_overwritten_without_force(capsys, here):
    (here / "out").mkdir()
    (here / "out" / "mine").write_text("keep")
    code, line = failure(capsys, "convert", RESNET, *INPUT, "-o", here / "out")
    assert code == 2
    assert "exists already" in line
    code, line = failure(capsys, "convert", RESNET, *INPUT, "-o", here / "out", "--force")
    assert code == 2
    assert "is no output of this command" in line
    assert (here / "out" / "mine").read_text() == "keep"
    (here / "out" / "mine").unlink()
    for _ in range(2):
        assert run(["convert", RESNET, *INPUT, "--max-macs", "9", "-o", str(here / "out"), "--force"]) == 0
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        "config.toml", "conversion.json", "network.svg", "student.pt2", "student.safetensors",
    ]  # fmt: skip


def test_a_folder_that_only_looks_like_the_state_of_a_training_is_kept(capsys, here):
    (here / "out.partial").mkdir()
    (here / "out.partial" / "mine").write_text("keep")
    for more in ([], ["--force"]):
        code, line = failure(capsys, "convert", RESNET, *INPUT, "-o", here / "out", *more)
        assert code == 2
        assert "out.partial holds mine, which rdpass did not write" in line
    assert (here / "out.partial" / "mine").read_text() == "keep"


def test_no_command_writes_over_what_it_reads(capsys, here, monkeypatch):
    assert run(["convert", RESNET, *INPUT, "--max-macs", "9", "-o", str(here / "run")]) == 0
    capsys.readouterr()
    monkeypatch.chdir(here)
    program, record, weights = here / "run" / "student.pt2", here / "run" / "conversion.json", here / "w.pt"
    torch.save(resnet().state_dict(), weights)
    os.link(weights, here / "w.onnx")
    before = {path: path.read_bytes() for path in (program, record, weights)}
    for words in (
        ("convert", program, "-o", "run"),
        ("convert", RESNET, *INPUT, "--weights", weights, "-o", weights),
        ("export", "run", "-o", program),
        ("export", program, "-o", program),
        ("export", RESNET, *INPUT, "--weights", weights, "-o", "w.onnx"),
        ("report", "run", "--html", record),
        ("inspect", program, "--svg", program),
    ):
        code, line = failure(capsys, *words, "--force")
        assert code == 2, words
        assert "an input of this command" in line, words
    assert {path: path.read_bytes() for path in before} == before


def test_an_output_that_cannot_be_written_is_refused_before_the_work(capsys, here):
    (here / "file").write_text("")
    code, line = failure(capsys, "convert", "tests.cli.given:raising", "-o", here / "file" / "out")
    assert code == 2
    assert "can't be written" in line


def test_usage_errors_help_and_version_end_as_everywhere(capsys):
    assert run(["inspect"]) == 2
    assert run(["no-such-command"]) == 2
    assert run(["inspect", RESNET, "--no-such-option"]) == 2
    assert run(["--help"]) == 0
    assert run(["--version"]) == 0
    names = [line.split() for line in capsys.readouterr().out.splitlines()[-4:]]
    assert names[0] == ["rdpass", rdpass.__version__]
    assert [(name, value) for name, value in names[1:]] == [
        (name, version(name)) for name in ("torch", "apache-tvm", "onnxruntime")
    ]


def test_a_mistyped_command_is_met_with_the_one_that_was_meant(capsys):
    assert run(["evalute"]) == 2
    assert "Did you mean 'evaluate'?" in capsys.readouterr().err
    assert run(["convert", RESNET, "--epoch", "3"]) == 2
    assert "--epochs" in capsys.readouterr().err


def test_a_shell_completes_commands_and_options(monkeypatch, capsys):
    monkeypatch.setenv("_RDPASS_COMPLETE", "complete_bash")
    for words, at, wanted in (("rdpass qua", 1, ["quantize"]), ("rdpass run --allow", 2, ["--allow-nonfinite"])):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(at))
        with pytest.raises(SystemExit):
            app(prog_name="rdpass")
        assert capsys.readouterr().out.split() == wanted


def leaves(group, words=()):
    """Every command with the words that lead to it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_ends_with_an_example_that_it_understands(words):
    command = COMMANDS[words]
    example = re.search(r"Example: rdpass (.+)", inspect.cleandoc(command.help)).group(1)
    given = shlex.split(example)
    assert tuple(given[: len(words)]) == words
    with command.make_context(words[-1], given[len(words) :]) as context:
        assert context.params


def test_the_installed_command_ends_with_the_code_of_the_error():
    command = [sys.executable, "-m", "rdpass", "inspect", "model.pth"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 2
    assert done.stderr.startswith("rdpass: ")


@pytest.mark.parametrize(
    "words", [["targets"], ["--version"], ["--help"], ["inspect", RESNET, *INPUT], ["doctor", "--json"]]
)
def test_a_full_stdout_is_told_in_one_line(words):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "rdpass", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    # On a slow machine lines of progress come before it.
    said = [line for line in done.stderr.splitlines() if not line.startswith("estimate ")]
    assert said == ["rdpass: stdout can't be written: No space left on device"]


def limited(here, kind, limit, *words):
    """A command whose process may use no more than ``limit`` of ``kind``."""
    script = (
        f"import os, resource, sys; resource.setrlimit({kind}, ({limit},) * 2); os.execv(sys.argv[1], sys.argv[1:])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(rdpass.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, sys.executable, "-P", "-m", "rdpass", *words]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("kind", "limit", "told"),
    [
        ("resource.RLIMIT_AS", 300 * 2**20, "there is not enough memory: this process may use 300 MB (ulimit -v)"),
        ("resource.RLIMIT_NOFILE", 8, "no more files can be opened: this process may have 8 open (ulimit -n)"),
    ],
)
def test_a_process_that_may_take_too_little_says_so_in_one_line(here, kind, limit, told):
    small_network(here / "net.onnx")
    done = limited(here, kind, limit, "compile", "net.onnx", "-o", "net.rdp")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith(f"rdpass: {told}")
    assert not (here / "net.rdp").exists()


def test_a_failure_of_a_process_without_limits_is_told_as_what_it_is(monkeypatch):
    """No limit at all is −1, which is less than any."""

    def failing(arguments):
        raise RuntimeError("a bug")

    monkeypatch.setattr("rdpass.cli.app.app", failing)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    with pytest.raises(RuntimeError, match="a bug"):
        run([])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "limit"), [("resource.RLIMIT_AS", LEAST_SPACE), ("resource.RLIMIT_NOFILE", LEAST_FILES)]
)
def test_what_the_line_says_is_enough(here, kind, limit):
    small_network(here / "net.onnx")
    done = limited(here, kind, limit, "compile", "net.onnx", "-o", "net.rdp")
    assert done.returncode == 0, done.stderr


def test_a_current_folder_that_is_gone_is_told_in_one_line(here):
    script = (
        "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", script, sys.executable, "-P", "-m", "rdpass", "inspect", RESNET]
    environment = {**os.environ, "PYTHONPATH": str(Path(rdpass.__file__).parent.parent)}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "rdpass: the current folder is gone; change to one that is there\n"


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "p.onnx"),
        ("inspect", "p.pt2"),
        ("inspect", "p.pt", *INPUT),
        ("inspect", RESNET, *INPUT, "--target", "p.toml"),
        ("convert", RESNET, *INPUT, "--weights", "p.pt", "-o", "OUT"),
        ("convert", RESNET, *INPUT, "--weights", "p.safetensors", "-o", "OUT"),
        ("convert", RESNET, *INPUT, "--config", "p.toml", "-o", "OUT"),
        ("compile", "p.onnx", "-o", "OUT"),
        ("bench", "p.onnx"),
        ("tune", "p.onnx", "--db", "OUT"),
        ("evaluate", "p.onnx", "--data", "tests.cli.given:loader"),
        ("quantize", RESNET, *INPUT, "--data", "p.npy", "-o", "OUT"),
        ("verify", "p.onnx"),
        ("report", "folder", "-o", "OUT"),
    ],
    ids=lambda words: f"{words[0]} {next(word for word in words if word.startswith(('p.', 'folder')))}",
)
def test_pipes_in_the_place_of_files_hold_nothing_up(words, tmp_path, capsys, monkeypatch):
    """No one writes to them: whoever opened one would wait for ever."""
    (tmp_path / "folder").mkdir()
    for name in ("p.onnx", "p.pt2", "p.pt", "p.safetensors", "p.npy", "p.toml", "folder/conversion.json"):
        os.mkfifo(tmp_path / name)
    monkeypatch.chdir(tmp_path)

    def waits(number, frame):
        raise AssertionError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, waits)
    signal.alarm(60)
    try:
        assert run(list(words)) in (2, 6, 8)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "OUT").exists()


def test_on_a_terminal_an_error_is_broken_between_words(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(["inspect", "nowhere:nothing"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("rdpass: ")
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 30
    assert "nowhere" in shown.split() or "'nowhere'" in shown
