"""A kernel that is killed or interrupted, and what becomes of the processes that were started from it."""

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from nbval_checks import GONE, describe, environment, kill_marked, left_behind, marked

PREPARE = """
import os
from helpers import jobqueue, jobs, ways
assert len(ways.run([jobs.pi_sum] * 2, "processes", workers=2).spans) == 2
master = jobqueue.launch_master()
workers = jobqueue.launch_workers(master, 2)
"""
WAYS = 'ways.run([jobs.pi_sum] * {}, "processes", workers=2)'
MAP = 'list(master.map("pi_sum", [400000] * {}))'


@pytest.fixture
def temp() -> Iterator[Path]:
    """Make a temporary folder with a short path: a socket's path has about a hundred characters at most."""
    folder = Path(tempfile.mkdtemp(prefix="run-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mark() -> Iterator[str]:
    """Make a mark, and end all that carries it when the test is over."""
    text = uuid.uuid4().hex
    yield text
    kill_marked(text)


@pytest.fixture
def kernel(mark, temp) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """Start a kernel that has started processes by ``ways``, a master and two workers."""
    manager, client = start_new_kernel(kernel_name="python3", env=environment(mark, temp), cwd=str(temp))
    try:
        assert client.execute_interactive(PREPARE, timeout=60)["content"]["status"] == "ok"
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


HOME = """
from pathlib import Path
import IPython.paths, jupyter_core.paths, matplotlib
paths = [jupyter_core.paths.jupyter_config_dir, jupyter_core.paths.jupyter_data_dir]
paths += [jupyter_core.paths.jupyter_runtime_dir, IPython.paths.get_ipython_dir]
for path in (*paths, matplotlib.get_configdir, matplotlib.get_cachedir):
    Path(path()).mkdir(parents=True, exist_ok=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no device that can stand in for a home")
def test_a_kernel_keeps_nothing_at_home_where_it_might_not_be_able_to():
    command = [sys.executable, "-c", HOME]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "XDG"))}
    done = subprocess.run(command, env={**env, "HOME": os.devnull}, capture_output=True, text=True)
    assert done.stderr == ""


def cpu(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds that processes have used so far."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.cpu_times().user
    return total


def start_work(client: BlockingKernelClient, code: str, mark: str, kernel_pid: int) -> str:
    """Run code in the kernel, wait until its descendants are at work, and return the message's id."""
    used = cpu([process for process in marked(mark) if process.pid != kernel_pid])
    message = client.execute(code, stop_on_error=False)  # else what is sent just after may be aborted, too
    end = time.monotonic() + 30
    while cpu([process for process in marked(mark) if process.pid != kernel_pid]) < used + 0.5:
        assert time.monotonic() < end, f"nothing is at work: {list(map(describe, marked(mark)))}"
        time.sleep(0.05)
    return message


def pid_of(client: BlockingKernelClient) -> int:
    reply = client.execute_interactive("", user_expressions={"pid": "os.getpid()"}, timeout=30)
    return int(reply["content"]["user_expressions"]["pid"]["data"]["text/plain"])


def answer(client: BlockingKernelClient, message: str, seconds: float) -> dict[str, Any]:
    """Wait for the reply to a message; fail when there is none in time."""
    end = time.monotonic() + seconds
    with contextlib.suppress(queue.Empty):
        while (left := end - time.monotonic()) > 0:
            reply = client.get_shell_msg(timeout=left)
            if reply["parent_header"].get("msg_id") == message:
                return reply["content"]
    pytest.fail(f"no answer within {seconds} s")


def test_killed_kernel_takes_all_with_it(kernel, mark):
    _, client = kernel
    pid = pid_of(client)
    start_work(client, WAYS.format(200), mark, pid)
    assert len(marked(mark)) >= 6  # kernel, master, two workers of it, two of ways
    psutil.Process(pid).kill()
    assert left_behind(mark) == []


def test_a_cell_writes_a_module_and_the_next_runs_it_on_workers(kernel, tmp_path):
    _, client = kernel
    for cell in (
        f"import os; os.chdir({str(tmp_path)!r})",
        "%%writefile my_tasks.py\ndef cube(n):\n    return n * n * n",
        "with jobqueue.launch_workers(master, 2, allow=['my_tasks']) as mine:\n    workers.stop()\n"
        "    assert list(master.map('my_tasks:cube', [2, 3])) == [8, 27]",
    ):
        content = client.execute_interactive(cell, timeout=60)["content"]
        assert content["status"] == "ok", content


@pytest.mark.parametrize("code", [WAYS, MAP], ids=["ways", "jobqueue"])
def test_interrupted_cell_returns_and_can_run_again(kernel, mark, code):
    manager, client = kernel
    known = frozenset(process.pid for process in marked(mark))
    message = start_work(client, code.format(200), mark, pid_of(client))
    manager.interrupt_kernel()
    content = answer(client, message, GONE)
    assert (content["status"], content.get("ename")) == ("error", "KeyboardInterrupt")
    assert left_behind(mark, known) == []
    reply = client.execute_interactive(f"assert len(workers.pids) == 2\n{code.format(4)}", timeout=60)
    assert reply["content"]["status"] == "ok", reply["content"]
