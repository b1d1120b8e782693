"""Nothing is left open: in Python's development mode, which tells of it, the helpers have nothing to say."""

import subprocess
import sys
import textwrap

import pytest

SCENES = {
    "ways": """
        for way in ways.ALL_WAYS:
            ways.run([partial(jobs.pi_sum, 1000)] * 3, way, 2)
        ways.run([jobs.kill], "processes")
    """,
    "a way that is interrupted": """
        for way in ways.ALL_WAYS[1:]:
            with suppress(KeyboardInterrupt), ways.pool(way, 2) as run:
                run([partial(jobs.pi_sum, 1000)])
                raise KeyboardInterrupt
    """,
    "fetches": """
        with servers.slow(0) as url:
            jobs.fetch(url)
            ways.run([partial(jobs.fetch_async, url)] * 3, "asyncio", 2)
        for wrong in (jobs.fetch, jobs.fetch_async):
            assert ways.run([partial(wrong, url)], "asyncio").errors
    """,
    "servers": """
        for kind in servers.KINDS:
            with servers.serving(kind, 2) as server:
                servers.load(server.url, 10, 2, 5)
                server.memory()
    """,
    "mail": """
        with servers.mail(mailboxes=["a@example.org"]) as server:
            for name in "ab":
                with suppress(OSError):
                    jobs.send_mail((server.address, "c@example.org", f"{name}@example.org", "", "", "<1@a>"))
            assert len(server.mails()) == 1
        try:
            jobs.send_mail((server.address, "c@example.org", "a@example.org", "", "", "<2@a>"))
        except OSError:
            pass
    """,
    "a program that is not ended": "server = servers.mail(); del server",
    "accidents": """
        from helpers.experiments import accidents, dead_workers
        accidents.worker_killed()
        accidents.master_killed()
        dead_workers.notices()
    """,
    "costs": """
        from helpers.experiments import oversubscription, worker_costs
        worker_costs.round_trips(1)
        oversubscription.crowds(2, 1)
    """,
    "a process that serves": """
        import multiprocessing
        from helpers import children
        from helpers.experiments import worker_costs
        with children.serving(multiprocessing.get_context("spawn"), worker_costs._echo_pipe) as pipe:
            pipe.send(1)
            pipe.recv()
        assert pipe.closed
    """,
    "health": "assert machine.health()",
}
START = """
import gc
from contextlib import suppress
from functools import partial
from helpers import jobs, machine, servers, ways

if __name__ == "__main__":
"""


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_left_open(scene, tmp_path):
    file = tmp_path / "scene.py"
    body = textwrap.indent(textwrap.dedent(SCENES[scene]) + "\ngc.collect()\n", "    ")
    file.write_text(START + body, encoding="utf-8")
    done = subprocess.run([sys.executable, "-X", "dev", file], capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
