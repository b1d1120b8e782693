"""The exercises of chapter 06: growing pauses, a mail that is taken later, recipients who are refused."""

import smtplib
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from helpers import servers
from helpers.exercises.desk import NotAttempted, NotYet, exercise, within
from helpers.show import short

_ADA, _BOB, _NOBODY = "ada@example.org", "bob@example.org", "nobody@example.org"

# --- Growing pauses ----------------------------------------------------------------------------------


class _Send:
    """Sends a mail, so to speak: answers come from a list, the last of them again and again."""

    def __init__(self, *codes: int) -> None:
        self._codes = codes
        self.did: list[object] = []  # "send", or the seconds of a pause

    @property
    def pauses(self) -> list[Any]:
        return [one for one in self.did if one != "send"]

    @property
    def tries(self) -> int:
        return self.did.count("send")

    def pause(self, seconds: float) -> None:
        self._note(seconds)

    def send(self) -> str:
        code = self._codes[min(self.tries, len(self._codes) - 1)]
        self._note("send")
        if code >= 400:
            words = b"try again later" if code < 500 else b"no such mailbox"
            raise smtplib.SMTPDataError(code, words)
        return "delivered"

    def _note(self, what: object) -> None:
        self.did.append(what)
        while len(self.did) > 60:
            time.sleep(0.1)  # whoever never gives up shall not take a core


@exercise(
    "06.pauses",
    "longer and longer pauses, only for what may still succeed, and an end.",
    "After a try that was refused for now, pause; then the next pause is twice as long. Who pauses after the "
    "last try?",
    "error.smtp_code says whether it is for now (400 to 499) or for good (500 and more). Let the error pass "
    "when it is for good, or at the last try.",
    "for number in range(attempts): try: return send() ... except SMTPResponseException as error: if "
    "error.smtp_code >= 500 or number == attempts - 1: raise ... pause(2**number)",
)
def _pauses(send_patiently: Callable[..., object]) -> None:
    at_once = _Send(250)
    value = within(5, send_patiently, at_once.send, at_once.pause, 4)
    if not at_once.did:
        raise NotAttempted("send was not called.")
    if at_once.did != ["send"]:
        raise NotYet(f"the mail was taken at once, and this was done: {short(at_once.did)}.")
    if value != "delivered":
        raise NotYet(f"what send returns was to be returned; got {short(value)}.")
    later = _Send(451, 451, 250)
    try:
        value = within(5, send_patiently, later.send, later.pause, 4)
    except smtplib.SMTPResponseException:
        if later.tries == 1:
            raise NotAttempted("the server answered 451, try again later, and nobody did.") from None
        raise NotYet(f"the third try would have succeeded, of 4; given up after {later.tries}.") from None
    _look_at_pauses(later.did, ["send", 1, "send", 2, "send"])
    if value != "delivered":
        raise NotYet(f"the third try succeeded, and {short(value)} was returned.")
    never, raised = _Send(451), False
    try:
        within(3, send_patiently, never.send, never.pause, 4)
    except smtplib.SMTPResponseException:
        raised = True
    except NotYet:
        if never.tries > 4:
            raise NotYet(f"4 attempts were allowed, and {never.tries} were made, with no end.") from None
        raise
    if never.did and never.did[-1] != "send":
        raise NotYet("after the last attempt there is a pause, and nothing comes after it.")
    if never.tries != 4:
        raise NotYet(f"4 attempts were allowed, and {never.tries} were made.")
    _look_at_pauses(never.did, ["send", 1, "send", 2, "send", 4, "send"])
    if not raised:
        raise NotYet("all 4 attempts were refused, and no error tells whoever called.")
    refused, raised = _Send(550), False
    try:
        within(5, send_patiently, refused.send, refused.pause, 4)
    except smtplib.SMTPResponseException:
        raised = True
    if refused.tries > 1:
        raise NotYet(
            "the server answered 550, no such mailbox, which is for good; it was asked "
            f"{refused.tries} times."
        )
    if refused.pauses or not raised:
        raise NotYet("the server answered 550, which is for good: let the error pass at once.")


def _look_at_pauses(did: list[object], expected: list[object]) -> None:
    if did == expected:
        return
    pauses = [one for one in did if one != "send"]
    wanted = [one for one in expected if one != "send"]
    if not pauses:
        raise NotYet(
            "it was tried again without a call of pause(): the server is asked the same in the same moment."
        )
    if pauses != wanted:
        raise NotYet(
            f"pauses of {wanted} seconds were expected, each twice the one before; got {short(pauses)}."
        )
    raise NotYet(f"a pause belongs between two tries; this was done: {short(did)}.")


# --- A mail that is taken later ----------------------------------------------------------------------

_GREYLIST = 0.4  # seconds


def _mail(*recipients: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = "shop@example.org", ", ".join(recipients)
    mail["Subject"], mail["Message-ID"] = "Your order", f"<{time.time_ns()}@example.org>"
    mail.set_content("It is on its way.")
    return mail


@exercise(
    "06.deliver",
    "refused for now, it came again later; refused for good, it did not; and each mail arrived once.",
    "with smtplib.SMTP(host, port) as smtp: smtp.send_message(mail) tries once. Which error says what the "
    "server thinks of the recipient?",
    "SMTPRecipientsRefused has recipients, a dict: error.recipients[address] is (code, words).",
    "except smtplib.SMTPRecipientsRefused as error: codes = [code for code, _ in error.recipients.values()]; "
    "if max(codes) >= 500 or it was the last try: raise; pause(seconds); seconds *= 2",
)
def _deliver(deliver: Callable[..., object]) -> None:
    pauses: list[object] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        # The second pause outlasts the server's reluctance, however fast or slow this computer is.
        time.sleep(0.01 if len(pauses) == 1 else _GREYLIST)
        while len(pauses) > 40:
            time.sleep(0.1)

    with servers.mail(greylist=_GREYLIST, mailboxes=[_ADA]) as server:
        host, _, port = server.address.rpartition(":")
        error: Exception | None = None
        try:
            within(10, deliver, host, int(port), _mail(_ADA), pause)
        except smtplib.SMTPRecipientsRefused as refused:
            error = refused
        codes = [answer.code for answer in server.log()]
        if not codes:
            raise NotAttempted("no mail has come to the server.")
        if error and len(codes) == 1:
            raise NotAttempted(f"the server answered {codes[0]}, try again later, and nobody did.")
        if error or 250 not in codes:
            raise NotYet(f"the server's answers were {short(codes)}, and the mail did not arrive.")
        if len(server.mails()) > 1:
            raise NotYet(f"the mail arrived {len(server.mails())} times: the server's answers were {codes}.")
        if not pauses:
            raise NotYet(
                f"the server was asked {len(codes)} times without a pause: call pause(seconds) between."
            )
        if any(not isinstance(one, int | float) for one in pauses) or pauses != sorted(set(pauses)):  # type: ignore[type-var]
            raise NotYet(f"the pauses were to grow; they were {short(pauses)}.")
        _deliver_to_nobody(deliver, server, (host, int(port)), pauses, pause)


def _deliver_to_nobody(
    deliver: Callable[..., object],
    server: servers.MailServer,
    address: tuple[str, int],
    pauses: list[object],
    pause: Callable[[float], None],
) -> None:
    before, raised = len(server.log()), False
    pauses.clear()
    try:
        within(5, deliver, *address, _mail(_NOBODY), pause)
    except smtplib.SMTPRecipientsRefused:
        raised = True
    except NotYet:
        if len(pauses) > 5:
            raise NotYet("to a mailbox that does not exist, it tries again and again, with no end.") from None
        raise
    if (tries := len(server.log()) - before) > 1:
        raise NotYet(
            f"a mailbox does not exist, and the server answered 550, for good; it was asked {tries} times."
        )
    if not raised:
        raise NotYet("the server answered 550, for good, and no error tells whoever called.")


# --- Recipients refused ------------------------------------------------------------------------------


@exercise(
    "06.refused",
    "who did not get the mail is told, be it some, all or none.",
    "send_message returns something when some recipients were refused and others were not. When all were, "
    "it raises.",
    "It returns a dict of (code, words) by address; SMTPRecipientsRefused has the same as recipients.",
    "try: refused = smtp.send_message(mail) ... except SMTPRecipientsRefused as error: refused = "
    "error.recipients ... return {address: code for address, (code, words) in refused.items()}",
)
def _refused(refused: Callable[..., object]) -> None:
    cases: dict[tuple[str, ...], dict[str, int]] = {
        (_ADA, _NOBODY, _BOB): {_NOBODY: 550},
        (_NOBODY,): {_NOBODY: 550},
        (_BOB,): {},
    }
    with servers.mail(mailboxes=[_ADA, _BOB]) as server:
        host, _, port = server.address.rpartition(":")
        arrived = 0
        for recipients, expected in cases.items():
            with smtplib.SMTP(host, int(port)) as smtp:
                try:
                    found = within(5, refused, smtp, _mail(*recipients))
                except smtplib.SMTPRecipientsRefused:
                    raise NotYet(
                        "when the only recipient is refused, it raises SMTPRecipientsRefused: return who "
                        "was, as when some are."
                    ) from None
            _look_at_refused(found, expected, recipients, len(server.log()))
            arrived += recipients != (_NOBODY,)
            if len(server.mails()) != arrived:
                raise NotYet(f"{arrived} mails were to arrive by now, and {len(server.mails())} did.")


def _look_at_refused(
    found: object, expected: dict[str, int], recipients: tuple[str, ...], answers: int
) -> None:
    case = f"a mail to {', '.join(recipients)}"
    if found == expected:
        return
    if not answers:
        raise NotAttempted("no mail has come to the server.")
    if found is None and len(recipients) == 3:
        raise NotAttempted(f"{case}: the server has refused one of them, and nobody is told.")
    if not isinstance(found, dict):
        raise NotYet(f"{case}: a dict of codes by address was expected; got {short(found)}.")
    if set(found) == set(expected):
        raise NotYet(
            f"{case}: the code alone, {short(expected)}, was expected; got {short(found)}. What smtplib "
            "gives is a pair of code and words."
        )
    if found == {} and expected:
        raise NotYet(f"{case}: one recipient was refused, and nobody is named.")
    raise NotYet(f"{case}: {short(expected)} was expected; got {short(found)}.")
