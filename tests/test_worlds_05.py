"""For each claim of chapters 05 to 07, a world in which it is confirmed, and one in which it is not."""

import ast
import os
from collections import Counter
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from test_notebooks import NOTEBOOKS
from test_worlds import evidence, spans, trace

from helpers import jobqueue, measure

LEFT = jobqueue.MasterGone.exit_code
ONE, TWO = {1}, {1, 2}


def span(pid=1, job=0):
    return SimpleNamespace(job=job, worker=SimpleNamespace(pid=pid))


def errors(*numbers):
    return SimpleNamespace(errors=dict.fromkeys(numbers, "no"), spans=range(20), pids=ONE)


def path_of(chapter):
    (path,) = (path for path in NOTEBOOKS if path.name.startswith(chapter))
    return path


def made(chapter, line, **world):
    """Return what a chapter's assignment that begins so comes to in a world, also one in another cell."""
    cells = [cell.source for cell in nbformat.read(path_of(chapter), 4).cells if cell.cell_type == "code"]
    found = [
        node for source in cells if not source.startswith("%%") for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign) and ast.unparse(node).startswith(line)
    ]  # fmt: skip
    (assignment,) = found
    return eval(ast.unparse(assignment.value), world)


def with_costs(line, **seconds):
    """Return what chapter 07 concludes from what a task costs: by a call, in batches, alone, by an engine."""
    ways = {"call": "a call in a loop", "batch": "our queue, in batches", "alone": "our queue, one at a time"}
    ways["engine"] = "dask.distributed"
    usual = {"call": 1e-7, "batch": 1e-5, "alone": 6e-5, "engine": 1e-3} | seconds
    world = {"costs": {ways[name]: [each] * 20 for name, each in usual.items()}, "measure": measure}
    cells = [cell.source for cell in nbformat.read(path_of("07_"), 4).cells]
    (source,) = (source for source in cells if source.startswith("def dearer"))
    exec(ast.unparse(ast.parse(source).body[0]), world)
    return made("07_", line, **world)


def storm_of(*order):
    """Return whether the results of the storm in chapter 05 count as each task's, once."""
    return made("05_", "nothing_lost", storm=SimpleNamespace(order=order, kills=range(4)))


def heard_at(address):
    """Return what chapter 05b makes of a port that is open at this address."""
    at = SimpleNamespace(laddr=SimpleNamespace(ip=address), status=psutil.CONN_LISTEN)
    return made("05b", "addresses", connections=[at], psutil=psutil)


def warnings_of(chapter, *texts):
    """Return whether a chapter finds the warning that it looks for among these."""
    return made(chapter, "warned", caught=[SimpleNamespace(message=text) for text in texts])


def mail(name="<a@b>"):
    return {"Message-ID": name}


WORLDS = [  # the claim, a world in which it is true, and one in which it is not
    ("05_", "a dead worker's task is gone", {"counts": {"nowhere": 1}}, {"counts": {"nowhere": 0}}),
    ("05_", "nobody is told that a worker has died", {"answer": "Empty"}, {"answer": "EOFError"}),
    ("05_", "with leases a killed worker costs no result",
     {"arrived": spans(*range(12))}, {"arrived": spans(0, *range(11))}),
    ("05_", "a board notices a dead worker", {"retried": 1}, {"retried": 0}),
    ("05_", "who keeps the GIL seems dead and lives",
     {"stalled": errors(0), "alive": ONE, "began": ONE},
     {"stalled": errors(0), "alive": set(), "began": ONE}),
    ("05_", "four killed workers cost no result",
     {"nothing_lost": storm_of(*range(24))},
     {"nothing_lost": storm_of(0, *range(23))}),
    ("05_", "workers that join half-way take their share",
     {"storm": SimpleNamespace(trace=trace(1, 3)), "first_two": {0, 1}},
     {"storm": SimpleNamespace(trace=trace(1, 2)), "first_two": {0, 1}}),
    ("05_", "a task that kills its workers is given up",
     {"given_up": errors(0)}, {"given_up": errors()}),
    ("05_", "each try cost another worker",
     {"tries": ("by 1", "by 2", "by 3"), "survivors": [4]},
     {"tries": ("by 1", "by 1", "by 2"), "survivors": [3, 4]}),
    ("05_", "all other tasks are done", {"sums": errors()}, {"sums": errors(3)}),
    ("05_", "who is told to leave finishes the task in hand",
     {"lines": ["begins a task", "ends it", "leaves"], "program": SimpleNamespace(returncode=0)},
     {"lines": ["begins a task"], "program": SimpleNamespace(returncode=-15)}),
    ("05b", "workers leave when their master is gone",
     {"codes": [LEFT, LEFT], "last_words": ["gone", "gone"], "jobqueue": jobqueue},
     {"codes": [LEFT, -9], "last_words": ["gone"], "jobqueue": jobqueue}),
    ("05b", "they leave within two seconds", {"seconds": 0.1}, {"seconds": 2.5}),
    ("05b", "a dead master's work stands still", {"kept": 6}, {"kept": 24}),
    ("05b", "its client has the rest done elsewhere",
     {"every_one_once": made("05b", "every_one_once = [", trace=SimpleNamespace(spans=spans(*range(24))))},
     {"every_one_once": made("05b", "every_one_once = [", trace=SimpleNamespace(spans=spans(*range(23))))}),
    ("05b", "a master with a journal starts again with all its tasks", {"waiting": 24}, {"waiting": 23}),
    ("05b", "another client has its results",
     {"restored": spans(*range(24))}, {"restored": spans(0, *range(23))}),
    ("05b", "started again half-way, its master has lost nothing",
     {"home": set(range(24))}, {"home": set(range(23))}),
    ("05b", "workers find their master again",
     {"rest": [span(1), span(3)], "crew": TWO}, {"rest": [span(3)], "crew": TWO}),
    ("05b", "to unpack what was sent is to run what it names",
     {"opened": SimpleNamespace(stdout=b"I was written elsewhere, and run here.\n")},
     {"opened": SimpleNamespace(stdout=b"")}),
    ("05b", "whoever has the key has the master run code",
     {"opened_by_master": made("05b", "opened_by_master", answer=7, master=SimpleNamespace(pid=7))},
     {"opened_by_master": made("05b", "opened_by_master", answer=8, master=SimpleNamespace(pid=7))}),
    ("05b", "the key itself is not sent",
     {"secret": b"key", "heard": b"a proof"}, {"secret": b"key", "heard": b"the key"}),
    ("05b", "what is sent can be read on the way",
     {"heard": b"..meet me at noon.."}, {"heard": b"..\x17\x80.."}),
    ("05b", "by default only this computer is served",
     {"addresses": heard_at("127.0.0.1")}, {"addresses": heard_at("0.0.0.0")}),
    ("05b", "a master warns of a key that can be guessed",
     {"warned": warnings_of("05b", "a key can be guessed")}, {"warned": warnings_of("05b")}),
    ("06_", "a mail to two may reach one of them, without an exception",
     {"refused": {"bob@example.org": (550, b"no")}, "there": 1}, {"refused": {}, "there": 1}),
    ("06_", "a page that sends by itself waits for the last mail",
     {"alone": 1.0, "sent": [0.5, 0.9]}, {"alone": 0.1, "sent": [0.5, 0.9]}),
    ("06_", "with a queue it is free before the last is sent",
     {"free": 0.1, "sent_later": [0.5, 0.9]}, {"free": 1.0, "sent_later": [0.5, 0.9]}),
    ("06_", "the workers that square numbers also send mails",
     {"squares": errors(), "mails": trace(1, 2), "workers": {0, 1}},
     {"squares": errors(), "mails": trace(1, 3), "workers": {0, 1}}),
    ("06_", "each mail's name comes home as its result",
     {"mails": SimpleNamespace(values=["a", "b"]), "names": ["a", "b"]},
     {"mails": SimpleNamespace(values=["a", None]), "names": ["a", "b"]}),
    ("06_", "several mails are under way at once",
     {"mails": SimpleNamespace(most_at_once=4)}, {"mails": trace(1)}),
    ("06_", "every mail arrives, and once",
     {"names": ["a", "b"], "copies": Counter("ab")}, {"names": ["a", "b"], "copies": Counter("aab")}),
    ("06_", "a loop that pauses gets a mail through", {"number": 4, "taken": 1}, {"number": 1, "taken": 1}),
    ("06_", "what is refused for now is tried again, and taken",
     {"later": made("06_", "later", codes=[[4, 4, 2]] * 12)},
     {"later": made("06_", "later", codes=[[2]] * 12)}),
    ("06_", "it arrives once for all that",
     {"arrived": ["a", "b"], "delivered": SimpleNamespace(values=["b", "a"])},
     {"arrived": ["a", "a", "b"], "delivered": SimpleNamespace(values=["b", "a"])}),
    ("06_", "a mail arrives at least once, and may twice", {"twice": [mail()] * 2}, {"twice": [mail()]}),
    ("06_", "both copies have the same name",
     {"twice": [mail(), mail()]}, {"twice": [mail(), mail("<c@d>")]}),
    ("06_", "who knows a mail by its name drops the second copy", {"once": [mail()]}, {"once": [mail()] * 2}),
    ("06_", "one bad address holds up no other mail",
     {"good": [*"abcdefg"], "inbox": Counter("abcdefg")}, {"good": [*"abcdefg"], "inbox": Counter("abcdef")}),
    ("06_", "a mail that nobody takes is set aside",
     {"trace": SimpleNamespace(errors={4: "550"})}, {"trace": SimpleNamespace(errors={})}),
    ("06_", "a board tries also what is refused for good", {"in_vain": 3}, {"in_vain": 1}),
    ("06_", "tried again, a mail to two comes again to the one it reached", {"copies": 3}, {"copies": 1}),
    ("07_", "an engine hides the network too",
     {"sums": [0, 0, 1, 3, 6, 10, 15, 21, 28, 36]}, {"sums": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}),
    ("07_", "its workers are other processes", {"pids": [1, 2], "os": os}, {"pids": [1, 1], "os": os}),
    ("07_", "both give the same values",
     {"ours": SimpleNamespace(values=[3.1]), "theirs": SimpleNamespace(values=[3.1])},
     {"ours": SimpleNamespace(values=[3.1]), "theirs": SimpleNamespace(values=[3.2])}),
    ("07_", "an engine's workers share the tasks", {"theirs": trace(1, 2)}, {"theirs": trace(1)}),
    ("07_", "they are at work at the same moment",
     {"theirs": SimpleNamespace(most_at_once=2)}, {"theirs": trace(1, 2)}),
    ("07_", "a killed worker costs an engine no result",
     {"whole": made("07_", "whole", arrived=spans(*range(20)))},
     {"whole": made("07_", "whole", arrived=spans(*range(19)))}),
    ("07_", "another process took its place",
     {"kills": {1: 0.5}, "before": TWO, "fresh": {3}}, {"kills": {1: 0.5}, "before": TWO, "fresh": set()}),
    ("07_", "a task that ends its workers is given up",
     {"error": type("KilledWorker", (Exception,), {})()}, {"error": None}),
    ("07_", "and the next one is served", {"after": 144}, {"after": None}),
    ("07_", "the network's cost is not hidden",
     {"networked": with_costs("networked")}, {"networked": with_costs("networked", batch=2e-7)}),
    ("07_", "small tasks are cheaper in batches",
     {"batched": with_costs("batched")}, {"batched": with_costs("batched", alone=9e-6)}),
    ("07_", "a task costs more on the engine than on our queue",
     {"engines": with_costs("engines")}, {"engines": with_costs("engines", engine=5e-5)}),
    ("07_", "a large task runs, and the engine warns of it",
     {"warned": warnings_of("07_", "a large graph"), "size": 20_000_000},
     {"warned": warnings_of("07_", "another"), "size": 20_000_000}),
    ("07_", "without a certificate nobody is let in",
     {"answers": {"none": "required"}}, {"answers": {"none": ""}}),
    ("07_", "nor with one of one's own making",
     {"answers": {"a stranger's": "unknown"}}, {"answers": {"a stranger's": ""}}),
    ("07_", "with the right one a client is",
     {"answers": {"ours": ""}, "inside": 144}, {"answers": {"ours": "unknown"}, "inside": 144}),
]  # fmt: skip


@pytest.mark.parametrize(("chapter", "sentence", "true", "false"), WORLDS, ids=lambda w: str(w)[:40])
def test_a_claim_is_confirmed_by_its_world_and_not_by_another(chapter, sentence, true, false):
    assert evidence(chapter, sentence, **true) is True
    assert evidence(chapter, sentence, **false) is False


def test_costs_that_overlap_are_no_evidence_either_way():
    assert with_costs("batched", alone=1e-5) is None


def test_every_claim_of_these_chapters_has_its_worlds():
    claimed = {
        (chapter, node.args[1].value)
        for chapter in ("05_", "05b", "06_", "07_")
        for cell in nbformat.read(path_of(chapter), 4).cells
        if cell.cell_type == "code" and not cell.source.startswith("%%")
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "claims.check"
    }
    assert claimed == {(chapter, sentence) for chapter, sentence, *_ in WORLDS}
