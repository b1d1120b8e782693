"""Start a mail server as a program on this machine, read what it has delivered, and end it."""

import json
import time
import weakref
from collections.abc import Collection
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple, Self

from helpers import checks, programs


class Answer(NamedTuple):
    """What the server said of a mail: when (on ``time.perf_counter()``), its words, and about which mail.

    ``code`` is what the words begin with: 250 for delivered, 4xx for refused for now, 5xx for refused for
    good. A mail that is refused is refused before it is sent, so its ``message_id`` is "".
    """

    at: float
    code: int
    words: str
    recipient: str
    message_id: str


def mail(
    *,
    delay: float = 0.0,
    greylist: float = 0.0,
    mailboxes: Collection[str] = (),
    silent_once: bool = False,
    drop_doubles: bool = False,
) -> "MailServer":
    """Start a mail server, and wait until it is ready.

    It looks at each mail for ``delay`` seconds, and delivers it. It refuses a recipient that it has not
    seen before, and goes on to do so for ``greylist`` seconds. It knows the recipients in ``mailboxes``; with
    none given, all. With ``silent_once`` it does not say of the first mail that it has delivered it. With
    ``drop_doubles`` it delivers a mail once only, by its Message-ID.

    Raises ValueError for times not from 0 to 10 s, and RuntimeError when the server does not start.
    """
    checks.seconds(0, 10, delay=delay, greylist=greylist)
    options = [f"--delay={delay}", f"--greylist={greylist}"]
    options += ["--silent-once"] * silent_once + ["--drop-doubles"] * drop_doubles
    options += ["--mailboxes", *mailboxes] if mailboxes else []
    program = programs.start("helpers.servers.smtp", *options)
    try:
        return MailServer(program, **json.loads(program.line("{")))
    except programs.ProgramFailed as error:
        program.stop()
        raise RuntimeError(f"the mail server did not start: {error}") from None


class MailServer:
    """A running mail server, and what it has delivered.

    Use it in a ``with`` block, or end it by ``stop()``. Its mails go with it. It never outlives us.
    """

    def __init__(self, program: programs.Program, address: str, folder: str) -> None:
        """Take over a program that is ready; for ``mail``."""
        self.address, self._folder = address, Path(folder)
        self._end = weakref.finalize(self, program.stop)

    def __repr__(self) -> str:
        """Return where it is."""
        return f"<MailServer at {self.address}>"

    def __enter__(self) -> Self:
        """Return the server itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.stop()

    def stop(self) -> None:
        """End the server, and delete its mails; nothing happens when it has already ended."""
        self._end()

    def mails(self) -> list[EmailMessage]:
        """Return the mails that were delivered, as they are in its Maildir, in no order."""
        import mailbox  # only here, as these take a while to import
        from email.policy import default

        box = mailbox.Maildir(self._folder / "Maildir", create=False)
        return [message_from_bytes(box.get_bytes(key), policy=default) for key in box.iterkeys()]

    def log(self) -> list[Answer]:
        """Return all answers that the server has given on mails, in order."""
        lines = (self._folder / "log").read_text(encoding="utf-8").splitlines(keepends=True)
        return [Answer(*json.loads(line)) for line in lines if line.endswith("\n")]

    def tries(self, since: float) -> dict[str, list[tuple[float, int]]]:
        """Return the tries to deliver to each recipient: the seconds since then, and the answer's code."""
        rows: dict[str, list[tuple[float, int]]] = {}
        for answer in sorted(self.log(), key=lambda answer: answer.recipient):
            if answer.at >= since:
                rows.setdefault(answer.recipient, []).append((answer.at - since, answer.code))
        return rows

    def wait_for(self, count: int, timeout: float = 30) -> None:
        """Wait until so many mails have been delivered; raise TimeoutError when that takes too long."""
        end = time.monotonic() + timeout
        while (there := sum(answer.code == 250 for answer in self.log())) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{there} of {count} mails after {timeout:g} s: is a worker sending them?")
            time.sleep(0.01)
