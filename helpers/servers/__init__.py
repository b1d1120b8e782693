"""Real HTTP servers and a mail server, programs of their own, on this machine only; many clients at once.

    with servers.slow(delay=0.05) as url:               one to wait for
        jobs.fetch(url)

    url = servers.lasting(delay=0.05)                   the same, as long as this Python lasts

    with servers.serving("pre-fork") as server:         one of three kinds, under load
        servers.load(server.url, crash_at=100)

    with servers.mail(greylist=0.5) as server:          one that takes mails, not always at once
        server.wait_for(1)

launch      starts the HTTP servers from Python, looks at them from outside, and ends them
client      the load: many clients at once, their waiting times and their losses
waiting     the program that answers each request after a delay
master      the program that serves with processes, with threads, or with both
worker      what answers a request, in each of its processes
mailserver  starts the mail server from Python, reads what it has delivered, and ends it
smtp        the program that takes mails
"""

from helpers.servers.client import Load, load, outage
from helpers.servers.launch import KINDS, Memory, Server, lasting, serving, slow
from helpers.servers.mailserver import Answer, MailServer, mail

__all__ = [
    "KINDS",
    "Answer",
    "Load",
    "MailServer",
    "Memory",
    "Server",
    "lasting",
    "load",
    "mail",
    "outage",
    "serving",
    "slow",
]
