"""The benchmark of the job queue runs, on few tasks, and prints each of its figures."""

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent.parent / "benchmarks" / "throughput.py"


def test_throughput_prints_a_rate_for_each_way():
    done = subprocess.run([sys.executable, PROGRAM, "--tiny"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    rates = re.findall(r"^  (\D.*?)  +([\d,]+) +([\d.]+)", done.stdout, re.MULTILINE)
    assert len(rates) == 9
    assert all(float(rate.replace(",", "")) > 0 for _, rate, _ in rates)
    assert len(re.findall(r"^ +[\d,]+ tasks +[\d.]+ +[\d.]+ MiB$", done.stdout, re.MULTILINE)) == 2
    assert re.search(r"bytes of the master's memory for each waiting task: \d+", done.stdout)
