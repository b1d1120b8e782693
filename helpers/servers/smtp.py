"""A mail server: it takes mails over SMTP, and delivers each into one folder, a Maildir.

It can be as trying as those out in the world: it takes its time, turns a stranger away and wants him to come
back later, knows only some recipients, stays silent when it should say that it has the mail. It notes every
answer that decides on a mail in a log, one line of JSON each.
"""

import argparse
import asyncio
import json
import logging
import mailbox
import tempfile
import time
from email import message_from_bytes
from email.utils import formatdate
from functools import partial
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from helpers import programs


class Postmaster:
    """Decides on mails: the hooks that aiosmtpd calls at each step of an SMTP dialogue."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        """Keep mails in ``folder / "Maildir"``, and the log beside it."""
        self._box = mailbox.Maildir(folder / "Maildir")
        self._log = folder / "log"
        self._log.touch()
        self._options = options
        self._silent = options.silent_once
        self._first_seen: dict[str, float] = {}  # when each recipient was first asked for
        self._delivered: set[str] = set()  # Message-IDs

    async def handle_RCPT(
        self, _: SMTP, __: Session, envelope: Envelope, recipient: str, ___: list[str]
    ) -> str:
        """Take the name of a recipient, or refuse it: 4xx for now, 5xx for good."""
        now = time.perf_counter()
        if self._options.mailboxes and recipient not in self._options.mailboxes:
            return self._note(f"550 5.1.1 {recipient}: no such mailbox here", recipient)
        if now < self._first_seen.setdefault(recipient, now) + self._options.greylist:
            return self._note("451 4.7.1 greylisted, try again later", recipient)
        envelope.rcpt_tos.append(recipient)
        return "250 2.1.5 recipient ok"

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        """Look at a mail for as long as that takes, deliver it, and say so."""
        await asyncio.sleep(self._options.delay)
        assert isinstance(envelope.content, bytes)
        message_id = str(message_from_bytes(envelope.content)["Message-ID"])
        recipient = ", ".join(envelope.rcpt_tos)
        if self._options.drop_doubles and message_id in self._delivered:
            return self._note("250 2.0.0 delivered before", recipient, message_id)
        received = f"Received: from {session.host_name} by localhost; {formatdate()}\n"
        self._box.add(received.encode() + envelope.content.replace(b"\r\n", b"\n"))
        self._delivered.add(message_id)
        answer = self._note("250 2.0.0 delivered", recipient, message_id)
        if self._silent:
            self._silent = False
            await asyncio.Event().wait()  # until the client has left
        return answer

    def _note(self, answer: str, recipient: str, message_id: str = "") -> str:
        """Write an answer to the log, with the time, and return it."""
        line = json.dumps([time.perf_counter(), int(answer[:3]), answer, recipient, message_id])
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{line}\n")
        return answer


async def _serve(postmaster: Postmaster, folder: str) -> None:
    """Serve until the program that started this one closes our standard input, or is gone."""
    loop, leaving = asyncio.get_running_loop(), asyncio.Event()
    talk = partial(SMTP, postmaster, hostname="localhost", loop=loop)
    server = await loop.create_server(talk, "127.0.0.1", 0, backlog=128)
    programs.when_input_closes(lambda: loop.call_soon_threadsafe(leaving.set))
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"address": f"127.0.0.1:{port}", "folder": folder}), flush=True)
    await leaving.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Take mails over SMTP, on this machine only.")
    parser.add_argument("--delay", type=float, default=0, help="seconds to look at each mail")
    parser.add_argument("--greylist", type=float, default=0, help="seconds to turn each recipient away")
    parser.add_argument("--mailboxes", nargs="*", help="the recipients there are (default: all)")
    parser.add_argument("--silent-once", action="store_true", help="never answer the first mail delivered")
    parser.add_argument("--drop-doubles", action="store_true", help="deliver a Message-ID only once")
    return parser.parse_args()


if __name__ == "__main__":
    logging.disable()  # nobody reads what a server says after its first line
    with tempfile.TemporaryDirectory(prefix="mail-", ignore_cleanup_errors=True) as folder:
        asyncio.run(_serve(Postmaster(Path(folder), _options()), folder))
