"""The exercises of chapter 06: starter, solution, and wrong answers with the very message that each gets."""

import contextlib
import smtplib
from smtplib import SMTPRecipientsRefused, SMTPResponseException

import pytest

# --- Growing pauses ----------------------------------------------------------------------------------


def send_patiently(send, pause, attempts):
    for number in range(attempts):
        try:
            return send()
        except SMTPResponseException as error:
            if error.smtp_code >= 500 or number == attempts - 1:
                raise
        pause(2**number)


def always_one_second(send, pause, attempts):
    return send_patiently(send, lambda seconds: pause(1), attempts)


def no_pause(send, pause, attempts):
    return send_patiently(send, lambda seconds: None, attempts)


def steadily(send, pause, attempts):
    return send_patiently(send, lambda seconds: pause(seconds.bit_length()), attempts)


def pause_at_the_end(send, pause, attempts):
    for number in range(attempts):
        try:
            return send()
        except SMTPResponseException as error:
            if error.smtp_code >= 500:
                raise
            pause(2**number)
    raise last_error()


def last_error():
    return SMTPResponseException(451, "later")


def whatever_the_code(send, pause, attempts):
    for number in range(attempts):
        try:
            return send()
        except SMTPResponseException:
            if number == attempts - 1:
                raise
        pause(2**number)


def in_silence(send, pause, attempts):
    try:
        return send_patiently(send, pause, attempts)
    except SMTPResponseException:
        return None


def for_ever(send, pause, attempts):
    return send_patiently(send, pause, 10**6)


def pause_first(send, pause, attempts):
    pause(1)
    return send_patiently(send, pause, attempts)


def lose_the_value(send, pause, attempts):
    send_patiently(send, pause, attempts)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda send, pause, attempts: None, "Not attempted yet: send was not called."),
        (lambda send, pause, attempts: send(), "Not attempted yet: the server answered 451, try again"),
        (send_patiently, "Correct: longer and longer pauses, only for what may still succeed, and an end."),
        (always_one_second, "Not yet: pauses of [1, 2] seconds were expected, each twice the one before;"),
        (no_pause, "Not yet: it was tried again without a call of pause(): the server is asked"),
        (steadily, "Not yet: pauses of [1, 2, 4] seconds were expected, each twice the one before; got"),
        (pause_at_the_end, "Not yet: after the last attempt there is a pause, and nothing comes after it."),
        (whatever_the_code, "Not yet: the server answered 550, no such mailbox, which is for good; it was"),
        (in_silence, "Not yet: all 4 attempts were refused, and no error tells whoever called."),
        (for_ever, "Not yet: 4 attempts were allowed, and "),
        (pause_first, "Not yet: the mail was taken at once, and this was done: [1, 'send']."),
        (lose_the_value, "Not yet: what send returns was to be returned; got None."),
    ],
)  # fmt: skip
def test_growing_pauses(told, answer, words):
    assert told("06.pauses", answer).startswith(words)


# --- A mail that is taken later ----------------------------------------------------------------------


def deliver(host, port, mail, pause):
    with smtplib.SMTP(host, port) as smtp:
        smtp.send_message(mail)


def deliver_patiently(host, port, mail, pause, pauses=(1, 2, 4, 8)):
    for seconds in pauses:
        try:
            return deliver(host, port, mail, pause)
        except SMTPRecipientsRefused as error:
            if max(code for code, _ in error.recipients.values()) >= 500:
                raise
        pause(seconds)
    return deliver(host, port, mail, pause)


def deliver_twice(host, port, mail, pause):
    deliver_patiently(host, port, mail, pause)
    deliver(host, port, mail, pause)


def deliver_steadily(host, port, mail, pause):
    deliver_patiently(host, port, mail, pause, (1, 1, 1, 1))


def deliver_whatever_is_said(host, port, mail, pause):
    for seconds in (1, 2, 4, 8):
        try:
            return deliver(host, port, mail, pause)
        except SMTPRecipientsRefused:
            pause(seconds)


def expect_another_error(host, port, mail, pause):
    try:
        deliver(host, port, mail, pause)
    except SMTPResponseException:
        pause(1)
        deliver(host, port, mail, pause)


def deliver_in_silence(host, port, mail, pause):
    with contextlib.suppress(SMTPRecipientsRefused):
        deliver_patiently(host, port, mail, pause)


def deliver_to_the_wrong_port(host, port, mail, pause):
    deliver(host, 1, mail, pause)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda host, port, mail, pause: None, "Not attempted yet: no mail has come to the server."),
        (deliver, "Not attempted yet: the server answered 451, try again later, and nobody did."),
        (deliver_patiently, "Correct: refused for now, it came again later; refused for good, it did not"),
        (deliver_twice, "Not yet: the mail arrived 2 times: the server's answers were [451, "),
        (deliver_steadily, "Not yet: the pauses were to grow; they were [1, 1]."),
        (deliver_whatever_is_said, "Not yet: a mailbox does not exist, and the server answered 550, for"),
        (expect_another_error, "Not attempted yet: the server answered 451, try again later, and nobody"),
        (deliver_in_silence, "Not yet: the server answered 550, for good, and no error tells whoever"),
        (deliver_to_the_wrong_port, "Not yet: it raises ConnectionRefusedError: "),
    ],
)  # fmt: skip
def test_a_mail_that_is_taken_later(told, answer, words):
    assert told("06.deliver", answer).startswith(words)


# --- Recipients refused ------------------------------------------------------------------------------


def send_and_say_nothing(smtp, mail):
    smtp.send_message(mail)


def refused(smtp, mail):
    try:
        found = smtp.send_message(mail)
    except SMTPRecipientsRefused as error:
        found = error.recipients
    return {address: code for address, (code, words) in found.items()}


def refused_by_some(smtp, mail):
    return {address: code for address, (code, words) in smtp.send_message(mail).items()}


def refused_with_words(smtp, mail):
    return smtp.send_message(mail)


def addresses_alone(smtp, mail):
    return list(refused(smtp, mail))


def nobody_when_all_are(smtp, mail):
    try:
        return refused_by_some(smtp, mail)
    except SMTPRecipientsRefused:
        return {}


def one_mail_each(smtp, mail):
    found = {}
    for address in mail["To"].split(", "):
        try:
            smtp.sendmail(mail["From"], [address], mail.as_bytes())
        except SMTPRecipientsRefused as error:
            found[address] = error.recipients[address][0]
    return found


def send_twice(smtp, mail):
    refused(smtp, mail)
    return refused(smtp, mail)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda smtp, mail: None, "Not attempted yet: no mail has come to the server."),
        (send_and_say_nothing, "Not attempted yet: a mail to ada@example.org, nobody@example.org,"),
        (refused, "Correct: who did not get the mail is told, be it some, all or none."),
        (refused_by_some, "Not yet: when the only recipient is refused, it raises SMTPRecipientsRefused"),
        (refused_with_words, "Not yet: a mail to ada@example.org, nobody@example.org, bob@example.org:"),
        (addresses_alone, "Not yet: a mail to ada@example.org, nobody@example.org, bob@example.org: a"),
        (nobody_when_all_are, "Not yet: a mail to nobody@example.org: one recipient was refused, and"),
        (one_mail_each, "Not yet: 1 mails were to arrive by now, and 2 did."),
        (send_twice, "Not yet: 1 mails were to arrive by now, and 2 did."),
    ],
)  # fmt: skip
def test_recipients_refused(told, answer, words):
    assert told("06.refused", answer).startswith(words)
