"""The work: functions that keep a core busy, and functions that wait.

They live here, and not in a notebook, because a child process must import what it runs. None of them
reads a clock or prints. A long one takes ``tick``, a function that it calls often while at work; whoever
runs the job may use it to look at the clock.
"""

import hashlib
import os
import signal
import smtplib
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import closing
from email.message import EmailMessage
from email.utils import getaddresses
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from helpers import checks
from helpers.show import short

Tick = Callable[[], object]


def _no_tick() -> None:
    """Do nothing: nobody is looking."""


def pi_sum(terms: int = 400_000, tick: Tick = _no_tick) -> float:
    """Return pi, by adding ``terms`` fractions of Leibniz's series 4/1 - 4/3 + 4/5 - 4/7 ... ."""
    checks.whole(terms=terms)
    total = 0.0
    for first in range(0, terms, 400):
        for k in range(first, min(first + 400, terms)):
            total += (4.0 - k % 2 * 8.0) / (2 * k + 1)
        tick()
    return total


def pi_digits(digits: int = 4000, tick: Tick = _no_tick) -> str:
    """Return the first ``digits`` digits of pi, "31415...", in whole numbers only.

    Machin's formula of 1706: pi = 16 arctan(1/5) - 4 arctan(1/239), with ten digits to spare for rounding.
    Python turns whole numbers of up to 4300 digits into text, so 4000 is the most that can be asked for.
    """
    checks.whole(digits=digits)
    if digits > 4000:
        raise ValueError(f"digits: expected at most 4000, got {digits}")
    one = 10 ** (digits + 9)
    pi = 16 * _arctan_of_inverse(5, one, tick) - 4 * _arctan_of_inverse(239, one, tick)
    return str(pi // 10**10)


def _arctan_of_inverse(x: int, one: int, tick: Tick) -> int:
    """Return arctan(1/x) in units of 1/``one``: the series 1/x - 1/3x^3 + 1/5x^5 - ... ."""
    power = total = one // x
    k = 1
    while power:
        power //= -x * x
        k += 2
        total += power // k
        tick()
    return total


def hash_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits. Raises OSError when it cannot be read."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_bytes(content: bytes) -> str:
    """Return the SHA-256 of what a file holds, for a caller who has it in hand, as ``hash_file`` does."""
    return hashlib.sha256(content).hexdigest()


def fetch(url: str) -> int:
    """Fetch an http:// URL and return the number of bytes in its body.

    Raises OSError when nothing answers within ten seconds, the answer breaks off, or it is an error such as
    404; ValueError for a URL that is not http://.
    """
    host, page = checks.http(url)
    with closing(HTTPConnection(host, timeout=10)) as server:
        server.request("GET", page)
        return _length(url, server.getresponse)


def fetch_and_sum(url: str, terms: int = 1_200_000, tick: Tick = _no_tick) -> float:
    """Do mixed work: wait for ``fetch``, then compute ``pi_sum``, and return its sum. Raises what they do."""
    fetch(url)
    tick()
    return pi_sum(terms, tick)


async def fetch_async(url: str) -> int:
    """Do what ``fetch`` does as a coroutine, which lets others have the thread while it waits.

    Raises what ``fetch`` does, and TimeoutError when all of it takes ten seconds.
    """
    import asyncio  # only here, as it takes as long to import as all the rest

    host, page = checks.http(url)
    parts = urlsplit(url)
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        with closing(writer):
            writer.write(f"GET {page} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            received = await reader.read()
    return _length(url, partial(_answer, received))


class _Received(BytesIO):
    """What a server sent, in the form in which ``http.client`` takes it: as a socket that has a file."""

    def makefile(self, _: str) -> BytesIO:
        return self


def _answer(received: bytes) -> HTTPResponse:
    answer = HTTPResponse(_Received(received))  # type: ignore[arg-type]
    answer.begin()
    return answer


def _length(url: str, begin: Callable[[], HTTPResponse]) -> int:
    """Return the number of bytes in an answer's body. Raises OSError for half an answer, or an error."""
    try:
        answer = begin()
        body = answer.read()
    except HTTPException as error:
        raise OSError(f"{url}: the answer broke off ({error!r})") from None
    if answer.status >= 400:
        raise OSError(f"{url}: {answer.status} {answer.reason}")
    return len(body)


def fetch_with_curl(url: str) -> int:
    """Do what ``fetch`` does with curl, a client written in C, as a program of its own.

    Raises FileNotFoundError where there is no curl, ``subprocess.CalledProcessError`` where ``fetch`` raises
    OSError.
    """
    checks.http(url)
    plain = ["--disable", "--globoff", "--noproxy", "*"]  # as neither the user's settings nor curl change it
    command = ["curl", *plain, "--silent", "--fail", "--max-time", "10", url]
    return len(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


class Mail(NamedTuple):
    """A mail to be sent. Whoever writes it makes its Message-ID, so a mail sent twice has the same one."""

    server: str  # "host:port"
    sender: str
    recipient: str  # or several, with commas between them
    subject: str
    text: str  # lines: any line break in it is one, and the last line gets one too
    message_id: str


def send_mail(mail: tuple[str, str, str, str, str, str]) -> str:
    """Give a mail, a ``Mail`` or such a tuple, to its server over SMTP, and return its Message-ID.

    Raises OSError when the server does not answer within ten seconds or refuses the mail, if only for one of
    its recipients; then it is one of ``smtplib.SMTPException``, which holds the server's words. TypeError or
    ValueError for what is no mail.
    """
    mail = Mail(*mail)
    host, _, port = mail.server.rpartition(":")
    if not port.isdigit():
        raise ValueError(f"server: expected host:port, got {short(mail.server)}")
    sender, recipients = _addresses("sender", mail.sender)[0], _addresses("recipient", mail.recipient)
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, mail.recipient
    message["Subject"], message["Message-ID"] = mail.subject, mail.message_id
    message.set_content(mail.text)
    as_in_smtp = message.policy.clone(linesep="\r\n")
    with smtplib.SMTP(host, int(port), local_hostname="localhost", timeout=10) as smtp:
        # Not by send_message, which puts a ">" before a line of the text that begins with "From ".
        if refused := smtp.sendmail(sender, recipients, message.as_bytes(policy=as_in_smtp)):
            raise smtplib.SMTPRecipientsRefused(refused)  # the other recipients have it
    return mail.message_id


def _addresses(name: str, text: str) -> list[str]:
    """Return the addresses of a mail's field, at least one. Raises ValueError for anything else."""
    addresses = [address for _, address in getaddresses([text])]
    if not all("@" in address and address.isascii() for address in addresses or [""]):
        raise ValueError(f"{name}: expected an address such as a@example.org, got {short(text)}")
    return addresses


def write_durably(folder: str | os.PathLike[str], size: int = 4096) -> int:
    """Write ``size`` bytes to a new file in ``folder``, wait until the disk has them, and delete it.

    Returns the number of bytes written. Raises OSError when the folder cannot be written to.
    """
    checks.whole(size=size)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())
    return size


def kill() -> None:
    """End this process at once, with no chance to tidy up, as ``kill -9`` does."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def crash(_: object = None) -> None:
    """End this process at once, whichever thread calls it, as a fault in an extension module's code does.

    It sends itself the signal of a segmentation fault, SIGSEGV, that such a fault makes the system send. It
    leaves no core file. The argument is not looked at.
    """
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    signal.raise_signal(signal.SIGSEGV)
