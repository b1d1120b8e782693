"""All files that say what to install agree with pyproject.toml."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import MatchSpec

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BASE = [Requirement(line) for line in PROJECT["dependencies"]]
TEST = [Requirement(line) for line in PROJECT["optional-dependencies"]["test"]]
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8")
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
*CONDA_SPECS, PIP_SECTION = ENVIRONMENT["dependencies"]
CONDA_NAMES = {"matplotlib": "matplotlib-base"}  # Where conda's name of a package is another than pip's.


@pytest.mark.parametrize("spec", CONDA_SPECS)
def test_conda_understands_every_spec(spec):
    assert MatchSpec(spec, strict=True)


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
    for need in BASE + TEST:
        versions = [pin.specifier for pin in pins if pin.name == need.name]
        assert versions, need.name
        assert all(str(version)[2:] in need.specifier for version in versions)


def test_the_constraints_hold_no_address():
    assert "://" not in CONSTRAINTS


@pytest.mark.parametrize("name", ["test.yml", "newest.yml"])
def test_workflows_cover_every_system_and_the_oldest_and_newest_python(name):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"] == {
        "os": ["ubuntu-latest", "macos-latest", "windows-latest"],
        "python": ["3.11", "3.14"],
    }
    assert "python run.py test" in [step.get("run") for step in job["steps"]]
