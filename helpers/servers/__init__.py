"""Real HTTP servers, programs of their own, on this machine only; and many clients at once.

    with servers.slow(delay=0.05) as url:               one to wait for
        jobs.fetch(url)

    with servers.serving("pre-fork") as server:         one of three kinds, under load
        servers.load(server.url, crash_at=100)

launch    starts the servers from Python, looks at them from outside, and ends them
client    the load: many clients at once, their waiting times and their losses
waiting   the program that answers each request after a delay
master    the program that serves with processes, with threads, or with both
worker    what answers a request, in each of its processes
"""

from helpers.servers.client import Load, load
from helpers.servers.launch import KINDS, Memory, Server, serving, slow

__all__ = ["KINDS", "Load", "Memory", "Server", "load", "serving", "slow"]
