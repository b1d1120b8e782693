"""All files that say what to install agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BASE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRA = [Requirement(line) for name in ("docs", "test") for line in PROJECT["optional-dependencies"][name]]
README = (ROOT / "README.md").read_text("utf-8")
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8")
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
*CONDA_SPECS, PIP_SECTION = ENVIRONMENT["dependencies"]
CONDA_NAMES = {"matplotlib": "matplotlib-base"}  # Where conda's name of a package is another than pip's.


@pytest.mark.parametrize("spec", CONDA_SPECS[1:])
def test_pip_and_conda_read_every_bound_alike(spec):
    assert re.fullmatch(r"[a-z0-9-]+((>=|<|!=)\d+(\.\d+)*(,(?!$)|$))*", spec)


def test_conda_installs_what_pip_installs():
    python, *others = CONDA_SPECS
    wanted = {f"{CONDA_NAMES.get(need.name, need.name)}{need.specifier}" for need in BASE}
    assert set(others) == {"pip", *wanted}
    assert python.removeprefix("python=") in SpecifierSet(PROJECT["requires-python"])


def test_conda_installs_from_conda_forge_alone_and_this_package_by_pip():
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]
    assert PIP_SECTION == {"pip": ["-e ."]}


@pytest.mark.skipif(not CONSTRAINTS.strip(), reason="emptied, to try the newest versions of everything")
def test_every_dependency_has_one_exact_version_for_each_system():
    pins = [Requirement(line) for line in CONSTRAINTS.splitlines()]
    assert all(str(pin.specifier).startswith("==") for pin in pins)
    for need in BASE + EXTRA:
        versions = [pin.specifier for pin in pins if pin.name == need.name]
        assert versions, need.name
        assert all(str(version)[2:] in need.specifier for version in versions)


def test_the_constraints_hold_no_address():
    assert "://" not in CONSTRAINTS


@pytest.mark.parametrize("name", ["test.yml", "newest.yml"])
def test_workflows_test_what_the_readme_and_run_promise(name):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    assert "python run.py test" in [step.get("run") for step in job["steps"]]
    matrix = job["strategy"]["matrix"]
    usual = sorted((python for python in matrix["python"] if not python.endswith("t")), key=Version)
    oldest, newest = usual[0], usual[-1]
    (free,) = set(matrix["python"]) - set(usual)
    assert PROJECT["requires-python"] == f">={oldest}"
    names = {"ubuntu-latest": "Linux", "macos-latest": "macOS", "windows-latest": "Windows"}
    assert " ".join(names[system] for system in matrix["os"]) == "Linux macOS Windows"
    assert f"Python {oldest} or later, on Linux, macOS or Windows" in README
    assert f"Python {oldest} to {newest}, or python{free}" in (ROOT / "run.py").read_text("utf-8")


def test_what_is_published_is_what_run_makes():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text("utf-8"))
    build = workflow["jobs"]["build"]["steps"]
    commands = [step["run"] for step in build if "run" in step]
    assert commands[:2] == ["python run.py book", "python run.py slides"]
    assert [step["with"]["path"] for step in build if "pages" in step.get("uses", "")] == ["build/book"]
