import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import rdpass_runtime

import rdpass
from benchmarks.fault_campaigns.trials import small_network

ROOT = Path(__file__).parent.parent
_OF_REPORTS = ("ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def python(code, *, executable=sys.executable, cwd=ROOT):
    done = subprocess.run([executable, "-c", code], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_rdpass_loads_neither_torch_nor_tvm_nor_numpy():
    heavy = python("import sys, rdpass; print(sorted({'torch', 'tvm', 'tvm_ffi', 'numpy'} & set(sys.modules)))")
    assert heavy == "[]"


def test_onnx_runtime_is_told_to_report_to_nobody(tmp_path):
    model = small_network(tmp_path / "net.onnx")
    (tmp_path / "home").mkdir()
    script = (
        "import sys, onnx, rdpass.onnx.oracle as oracle, numpy as np;"
        "oracle.run_onnx(onnx.load(sys.argv[1]), [np.zeros((1, 3, 6, 5), np.float32)])"
    )
    variables = {name: value for name, value in os.environ.items() if name not in _OF_REPORTS}
    said = subprocess.run(
        [sys.executable, "-c", script, str(model)], env={**variables, "HOME": str(tmp_path / "home")},
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert said.stderr == ""
    assert list((tmp_path / "home").rglob("*")) == []  # where it keeps a number for this machine, and what it will send


def test_every_public_name_is_there_and_listed():
    for name in rdpass.__all__:
        assert getattr(rdpass, name) is not None
    assert set(rdpass.__all__) <= set(dir(rdpass))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = rdpass.nonsense


def test_the_help_of_the_command_line_loads_neither_torch_nor_tvm():
    code = "import sys; from rdpass.cli.app import run; run(['--help']); print({'torch', 'tvm'} & set(sys.modules))"
    assert python(code).endswith("set()")


def test_compiling_loads_no_torch_and_leaves_it_importable(tmp_path):
    code = (
        "import sys; from rdpass.cli.app import run; run(['compile', 'none.onnx', '-o', sys.argv[1] + '/net.rdp']);"
        " assert 'tvm' in sys.modules and 'torch' not in sys.modules; import torch; print(torch.zeros(2).sum().item())"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "0.0\n"), done.stderr


def test_every_package_on_disk_is_in_the_wheel():
    on_disk = {"rdpass" + str(init.parent.relative_to(ROOT / "rdpass")).replace(".", "", 1).replace("/", ".")
               if init.parent == ROOT / "rdpass" else ".".join(init.parent.relative_to(ROOT).parts)
               for init in (ROOT / "rdpass").rglob("__init__.py")}  # fmt: skip
    for folder in ("passes", "kernels"):
        on_disk |= {".".join(("rdpass", *init.parent.relative_to(ROOT).parts))
                    for init in (ROOT / folder).rglob("__init__.py")}  # fmt: skip
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == on_disk


def test_the_two_links_lead_to_the_folders_that_setuptools_maps():
    mapping = PROJECT["tool"]["setuptools"]["package-dir"]
    for package, folder in mapping.items():
        link = ROOT / package.replace(".", "/")
        assert link.is_symlink()
        assert link.resolve() == ROOT / folder


def test_the_extras_that_scripts_rely_on_exist_and_every_dependency_is_pinned():
    extras = PROJECT["project"]["optional-dependencies"]
    assert {"dev", "zoo", "train", "viz"} <= extras.keys()
    pins = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()
            if "==" in line}  # fmt: skip
    wanted = [*PROJECT["project"]["dependencies"], *(name for extra in extras.values() for name in extra)]
    for requirement in wanted:
        name = re.split(r"[=<>\[]", requirement)[0].strip().lower()
        assert name in pins, name


def release():
    """The functions of setup.py."""
    spec = spec_from_file_location("release", ROOT / "setup.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_long_description_has_no_link_that_leads_nowhere():
    readme = (ROOT / "README.md").read_text()
    text = release().long_description(readme, None)
    assert re.findall(r"\]\((?!https://)", text) == []
    assert "docs/worth-it.md" in text
    assert "make demo" in text
    whole = release().long_description(readme, "https://forge.example/rdpass")
    assert "[docs/worth-it.md](https://forge.example/rdpass/blob/main/docs/worth-it.md)" in whole
    assert re.findall(r"\]\((?!https://)", whole) == []


def test_the_parts_of_a_release_have_one_version():
    runtime = tomllib.loads((ROOT / "runtime/pyproject.toml").read_text())["project"]["version"]
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M).group(1)
    assert {rdpass.__version__, runtime, rdpass_runtime.__version__, cited} == {rdpass.__version__}
    assert PROJECT["project"]["dynamic"] == ["version", "readme"]


@pytest.mark.slow
def test_a_source_distribution_builds_into_the_wheel_of_the_checkout(tmp_path):
    build = "import sys; from setuptools import build_meta; print(build_meta.build_{}(sys.argv[1]))"

    def built(kind, place):
        command = [sys.executable, "-c", build.format(kind), str(tmp_path)]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True)
        return tmp_path / done.stdout.splitlines()[-1]

    checkout = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in listed.split("\0")[:-1]:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name, follow_symlinks=False)
    files = {}
    with tarfile.open(built("sdist", checkout)) as archive:
        archive.extractall(tmp_path, filter="data")
    for place in (checkout, tmp_path / f"rdpass-{rdpass.__version__}"):
        with zipfile.ZipFile(built("wheel", place)) as wheel:
            files[place] = {name: wheel.read(name) for name in wheel.namelist()}
    of_checkout, of_source = files.values()
    assert of_checkout.keys() == of_source.keys()
    assert [name for name in of_checkout if of_checkout[name] != of_source[name]] == []
    assert any(name.startswith("rdpass/kernels/templates/") for name in of_checkout)


@pytest.mark.slow
def test_a_wheel_works_in_an_empty_environment_outside_the_checkout(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("rdpass-*.whl")
    venv.create(tmp_path / "empty", with_pip=True)
    executable = tmp_path / "empty" / "bin" / "python"
    install = [executable, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", "torch==2.13.0", wheel]
    subprocess.run(list(map(str, install)), check=True)
    where = python("import rdpass.passes, rdpass.kernels; print(rdpass.passes.__file__)", executable=executable,
                   cwd=tmp_path)  # fmt: skip
    assert str(tmp_path) in where
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "class Block(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = torch.nn.Conv2d(3, 3, 3, 1, 1)\n"
        "    def forward(self, x):\n"
        "        return self.conv(x) + x\n"
    )
    command = [tmp_path / "empty" / "bin" / "rdpass", "convert", "mine:Block", "--input", "1x3x8x8", "-o", "run"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path, env=environment,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 of 1 shortcuts removed" in done.stdout
    compiled = [tmp_path / "empty" / "bin" / "rdpass", "export", "run", "-o", "block.onnx"]
    subprocess.run(list(map(str, compiled)), check=True, cwd=tmp_path, env=environment)
    compiled = [tmp_path / "empty" / "bin" / "rdpass", "compile", "block.onnx", "-o", "block.rdp"]
    subprocess.run(list(map(str, compiled)), check=True, cwd=tmp_path, env=environment)
    verified = [tmp_path / "empty" / "bin" / "rdpass", "verify", "block.rdp"]
    subprocess.run(list(map(str, verified)), check=True, cwd=tmp_path, env=environment)
