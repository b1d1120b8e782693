"""What holds on which Python and system: the files of whole runs, and the tables made of them."""

import platform
import sys
from pathlib import Path

import pytest

from helpers.claims import PARTS
from helpers.experiments import pythons
from helpers.experiments.pythons import Series

FOLDER = Path(__file__).parent.parent / "notebooks"
OLD = Series("Linux", "3.11.7", "fork", True, ["F1 holds: a", "F10a holds, but b", "F3b does not hold: c"])
FREE = Series(
    "Linux", "3.14.1", "forkserver", False,
    ["F1 is not confirmed by this run: a", "F10a cannot be shown here (needs a GIL), but b",
     "F3b is not refuted on this computer now: c"],
)  # fmt: skip


@pytest.fixture
def shown(monkeypatch):
    """Return the lines of all that is shown."""
    lines = []
    monkeypatch.setattr(pythons, "display", lambda view: lines.extend(view.data.splitlines()))
    return lines


def test_a_run_is_kept_in_a_file_that_is_named_for_it(tmp_path):
    assert pythons.write(FREE, tmp_path).name == "linux-3.14t-forkserver.json"
    assert pythons.write(OLD, tmp_path).name == "linux-3.11-fork.json"
    assert pythons.collect(tmp_path) == [OLD, FREE]


def test_a_second_run_takes_the_place_of_the_first(tmp_path):
    pythons.write(Series("Linux", "3.11.2", "fork", True, []), tmp_path)
    pythons.write(OLD, tmp_path)
    assert pythons.collect(tmp_path) == [OLD]


def test_the_run_here_has_the_verdicts_of_the_chapters():
    run = pythons.here(FOLDER)
    assert run.python == platform.python_version()
    assert run.name.split()[1].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}")
    assert {verdict.part for verdict in run.verdicts} == {line.split()[0] for line in run.lines}
    assert len(run.verdicts) == len(run.lines) > 50


def test_the_table_has_a_sign_for_each_part_that_was_tried(shown):
    pythons.table([OLD, FREE])
    assert shown == [
        "| part | Linux 3.11 fork | Linux 3.14t forkserver |",
        "|---|---|---|",
        "| F1 | yes | ! |",
        "| F3b | no | ? |",
        "| F10a | but | – |",
    ]


def test_a_part_that_one_run_has_not_tried_is_left_empty(shown):
    pythons.table([OLD, Series("macOS", "3.14.1", "spawn", True, ["F2 holds: d"])])
    assert shown[2:4] == ["| F1 | yes |  |", "| F2 |  | yes |"]


def test_the_differences_name_who_found_what(shown):
    pythons.differences([OLD, FREE, Series("macOS", "3.14.1", "spawn", True, ["F1 holds: a"])])
    assert shown[2:4] == [
        "| F1 | a | holds | Linux 3.11 fork, macOS 3.14 spawn |",
        "| F1 | a | is not confirmed by this run | Linux 3.14t forkserver |",
    ]


def test_where_all_runs_agree_there_is_no_empty_table(shown):
    pythons.differences([OLD])
    assert shown == ["No sentence was found otherwise in another run."]


def test_what_is_kept_is_of_today_and_has_been_confirmed():
    for run in pythons.collect(FOLDER / "verdicts"):
        assert {verdict.part for verdict in run.verdicts} <= PARTS.keys()
        assert [line for line in run.lines if "not confirmed" in line] == []
