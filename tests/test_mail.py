"""Sending mail, to a real mail server on this machine, by hand and by the queue's workers."""

import json
import smtplib
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from email.utils import make_msgid
from functools import partial
from pathlib import Path

import psutil
import pytest

from helpers import jobqueue, jobs, servers

SOON = 30


def letter(post, number=1, **changes):
    """Return a mail to customer ``number``, with a Message-ID of its own."""
    recipient, message_id = f"customer{number}@example.org", make_msgid(domain="example.org")
    mail = jobs.Mail(post.address, "shop@example.org", recipient, f"Order {number}", "Thanks.\n", message_id)
    return mail._replace(**changes)


def connect(server):
    host, port = server.address.split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def ids(server):
    return [mail["Message-ID"] for mail in server.mails()]


@pytest.fixture(scope="module")
def post():
    with servers.mail() as server:
        yield server


@pytest.fixture
def strict():
    with servers.mail(mailboxes=["customer1@example.org", "customer2@example.org"]) as server:
        yield server


# --- One mail ----------------------------------------------------------------------------------------


TEXTS = ["Hello.\n", ".\n..\nBye\n", "Grüße, 你好\n", "x" * 5000 + "\n", "é" * 5000 + "\n", "\n"]
FROM = ["From here\n\nFrom there\n", "From ü\n", "From " + "x" * 5000 + "\nFrom y\n", ">From\n.From \n"]


@pytest.mark.parametrize("text", [*TEXTS, *FROM])
def test_a_mail_arrives_as_it_was_written(post, text):
    mail = letter(post, text=text, subject="Ihre Bestellung über 3 €")
    assert jobs.send_mail(mail) == mail.message_id
    (arrived,) = [there for there in post.mails() if there["Message-ID"] == mail.message_id]
    assert (arrived["From"], arrived["To"], arrived["Subject"]) == (mail.sender, mail.recipient, mail.subject)
    assert arrived.get_content() == text
    assert arrived["Received"].startswith("from localhost by localhost; ")


@pytest.mark.parametrize(
    ("text", "lines"), [("", "\n"), ("no end", "no end\n"), ("a\r\nb\rc\n", "a\nb\nc\n"), ("a\n\n", "a\n\n")]
)
def test_a_text_arrives_in_lines(post, text, lines):
    mail = letter(post, text=text)
    jobs.send_mail(mail)
    (arrived,) = [there for there in post.mails() if there["Message-ID"] == mail.message_id]
    assert arrived.get_content() == lines


def test_a_plain_tuple_is_a_mail_too(post):
    mail = letter(post)
    jobs.send_mail(tuple(mail))
    assert mail.message_id in ids(post)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"server": "here"}, ValueError, "server: expected host:port, got 'here'"),
        ({"subject": "Hi\nBcc: everybody@example.org"}, ValueError, "linefeed"),
        ({"recipient": ""}, ValueError, "recipient: expected an address"),
        ({"recipient": "a@example.org, b"}, ValueError, "recipient: expected an address"),
        ({"recipient": "ü@example.org"}, ValueError, "recipient: expected an address"),
        ({"sender": "ü@example.org"}, ValueError, "sender: expected an address"),
    ],
)
def test_what_is_no_mail_is_refused(post, changes, error, words):
    before = post.log()
    with pytest.raises(error, match=words):
        jobs.send_mail(letter(post, **changes))
    assert [answer for answer in post.log()[len(before) :] if answer.code == 250] == []


def test_a_mail_needs_all_its_parts():
    with pytest.raises(TypeError, match="message_id"):
        jobs.send_mail(("127.0.0.1:1", "a@example.org", "b@example.org", "Hi", "Hello."))


def test_nobody_at_the_address_is_a_refused_connection():
    with servers.mail() as server:
        mail = letter(server)
    with pytest.raises(ConnectionRefusedError):
        jobs.send_mail(mail)


def test_the_log_has_the_time_and_the_mail(post):
    mail, before = letter(post), time.perf_counter()
    jobs.send_mail(mail)
    answer = post.log()[-1]
    assert before < answer.at < time.perf_counter()
    assert answer[1:] == (250, "250 2.0.0 delivered", mail.recipient, mail.message_id)


def test_tries_are_those_since_a_moment_by_recipient(strict):
    jobs.send_mail(letter(strict, 1))
    since = time.perf_counter()
    for number in (3, 1, 2, 1):
        with suppress(smtplib.SMTPRecipientsRefused):
            jobs.send_mail(letter(strict, number))
    tries = strict.tries(since)
    assert [(name[:9], [code for _, code in row]) for name, row in tries.items()] == [
        ("customer1", [250, 250]),
        ("customer2", [250]),
        ("customer3", [550]),
    ]
    (first, _), (last, _) = tries["customer1@example.org"]
    assert 0 < first < last < time.perf_counter() - since


# --- A trying server ---------------------------------------------------------------------------------


def test_it_takes_its_time_with_each_and_with_many_at_once():
    with servers.mail(delay=0.3) as server, ThreadPoolExecutor(20) as senders:
        began = time.perf_counter()
        list(senders.map(jobs.send_mail, [letter(server, n) for n in range(20)]))
        seconds = time.perf_counter() - began
    assert 0.3 - time.get_clock_info("monotonic").resolution <= seconds < 5  # 6 s one after the other


def test_a_stranger_is_to_come_back_later():
    with servers.mail(greylist=0.5) as server:
        first, second = letter(server, 1), letter(server, 2)
        with pytest.raises(
            smtplib.SMTPRecipientsRefused, match=r"451, b'4\.7\.1 greylisted, try again later'"
        ):
            jobs.send_mail(first)
        try_until_taken(first)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            jobs.send_mail(second)
        refused, *_, delivered = [answer for answer in server.log() if answer.recipient == first.recipient]
    assert (refused.code, refused.message_id, delivered.code) == (451, "", 250)
    assert delivered.at >= refused.at + 0.5


def try_until_taken(mail):
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        with suppress(smtplib.SMTPRecipientsRefused):
            return jobs.send_mail(mail)
        time.sleep(0.1)
    pytest.fail("it is never taken")


def test_a_recipient_that_is_not_known_is_refused_for_good(strict):
    words = "550 5.1.1 customer3@example.org: no such mailbox here"
    with pytest.raises(smtplib.SMTPRecipientsRefused, match=words[4:]):
        jobs.send_mail(letter(strict, 3))
    jobs.send_mail(letter(strict, 2))
    assert [(answer.code, answer.words) for answer in strict.log()] == [
        (550, words),
        (250, "250 2.0.0 delivered"),
    ]


@pytest.mark.parametrize(
    ("numbers", "refused"),
    [((1, 3), [3]), ((3, 1), [3]), ((4, 1, 3, 2), [3, 4]), ((3, 4), [3, 4]), ((1, 2), [])],
)
def test_a_mail_to_several_is_refused_with_any_of_them(strict, numbers, refused):
    names = [f"customer{number}@example.org" for number in numbers]
    mail, taken = letter(strict, recipient=", ".join(names)), [name for name in names if name[8] in "12"]
    with pytest.raises(smtplib.SMTPRecipientsRefused) if refused else nullcontext() as error:
        jobs.send_mail(mail)
    if refused:
        assert sorted(error.value.recipients) == [f"customer{number}@example.org" for number in refused]
        assert {code for code, _ in error.value.recipients.values()} == {550}
    delivered = [answer.recipient for answer in strict.log() if answer.code == 250]
    assert delivered == ([", ".join(taken)] if taken else [])


def test_it_may_keep_silent_about_the_first_mail():
    with servers.mail(silent_once=True) as server, ThreadPoolExecutor(1) as sender:
        first = letter(server, 1)
        waiting = sender.submit(jobs.send_mail, first)
        server.wait_for(1)
        jobs.send_mail(letter(server, 2))
        assert ids(server).count(first.message_id) == 1
        assert not waiting.done()
        server.stop()
        assert isinstance(waiting.exception(SOON), OSError)


@pytest.mark.parametrize("drop", [False, True])
def test_it_drops_a_double_if_it_is_to(drop):
    with servers.mail(drop_doubles=drop) as server:
        mail = letter(server)
        for _ in range(3):
            jobs.send_mail(mail)
        jobs.send_mail(letter(server))
        assert Counter(ids(server))[mail.message_id] == (1 if drop else 3)
        assert len({answer.message_id for answer in server.log()}) == 2
        assert {answer.code for answer in server.log()} == {250}


# --- The program -------------------------------------------------------------------------------------


def test_only_this_machine_can_reach_it():
    before = set(psutil.Process().children())
    with servers.mail() as server:
        (program,) = set(psutil.Process().children()) - before
        listening = [c.laddr for c in program.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert [f"{at.ip}:{at.port}" for at in listening] == [server.address]
        assert repr(server) == f"<MailServer at {server.address}>"
    assert server.address.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    "nonsense", [b"", b"\x00\xff" * 50, b"GET / HTTP/1.1\r\n\r\n", b"x" * 200_000 + b"\r\n"]
)
def test_nonsense_does_not_stop_it(post, nonsense):
    for _ in range(50):
        with connect(post) as client:
            client.sendall(nonsense)
    jobs.send_mail(letter(post))


def test_it_is_gone_after_the_block_and_its_mails_too():
    before = set(psutil.Process().children())
    server = servers.mail()
    folder = server._folder
    jobs.send_mail(letter(server))
    assert len(list((folder / "Maildir" / "new").iterdir())) == 1
    with pytest.raises(ZeroDivisionError), server:
        raise ZeroDivisionError
    assert set(psutil.Process().children()) <= before
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        connect(server)
    server.stop()


def test_it_does_not_wait_for_those_who_wait():
    with servers.mail(delay=10) as server, ThreadPoolExecutor(1) as sender:
        waiting = sender.submit(jobs.send_mail, letter(server))
        with connect(server) as idle:
            idle.recv(1)
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 5
        assert isinstance(waiting.exception(SOON), OSError)


def test_it_ends_with_a_starter_that_is_killed_and_leaves_nothing():
    program = (
        "from helpers import servers; s = servers.mail(); print(s.address, s._folder, flush=True); input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as starter:
        _, folder = starter.stdout.readline().strip().split(maxsplit=1)
        assert Path(folder).exists()
        starter.kill()
        end = time.monotonic() + SOON
        while Path(folder).exists():
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.parametrize("name", ["delay", "greylist"])
@pytest.mark.parametrize("wrong", [-0.1, 10.1, float("nan"), float("inf")])
def test_a_wrong_time_is_refused(name, wrong):
    with pytest.raises(ValueError, match=f"{name}: expected 0 to 10 seconds, got {wrong!r}"):
        servers.mail(**{name: wrong})


def test_a_server_that_does_not_start_says_why(monkeypatch, tmp_path):
    (tmp_path / "aiosmtpd.py").write_text("raise SystemExit('this is no aiosmtpd')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="the mail server did not start: this is no aiosmtpd"):
        servers.mail()


def test_to_wait_for_mails_that_do_not_come_ends(post):
    there = sum(answer.code == 250 for answer in post.log())
    with pytest.raises(TimeoutError, match=f"{there} of 9999 mails after 0.05 s: is a worker sending them?"):
        post.wait_for(9999, timeout=0.05)


def test_a_line_of_the_log_that_is_still_being_written_is_left_out(post):
    complete = post.log()
    with (post._folder / "log").open("a") as log:
        log.write(json.dumps([1.0, 250])[:-1])
        log.flush()
        assert post.log() == complete
        log.write(', "250 ok", "a", "b"]\n')
    assert post.log() == [*complete, (1.0, 250, "250 ok", "a", "b")]


# --- By the queue ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("uncounted")
def test_what_is_refused_for_a_while_arrives_once():
    with (
        servers.mail(greylist=0.3) as server,
        jobqueue.launch_master(attempts=10, retry_delay=0.1) as master,
        jobqueue.launch_workers(master, 2),
    ):
        mails = [letter(server, n) for n in range(10)]
        trace = master.run("send_mail", mails)
        assert sorted(ids(server)) == sorted(mail.message_id for mail in mails)
        assert trace.values == [mail.message_id for mail in mails]
        assert trace.errors == {}
        assert master.stats().retried >= len(mails)


@pytest.mark.usefixtures("uncounted")
def test_what_is_refused_for_good_is_shelved_with_the_server_s_words(strict):
    with (
        jobqueue.launch_master(attempts=2, retry_delay=0.01) as master,
        jobqueue.launch_workers(master),
    ):
        mails = [letter(strict, n) for n in (1, 3, 2)]
        trace = master.run("send_mail", mails)
        (shelved,) = master.shelf()
    assert sorted(ids(strict)) == sorted([mails[0].message_id, mails[2].message_id])
    assert list(trace.errors) == [1]
    assert (shelved.function, shelved.number, len(shelved.errors)) == ("send_mail", 1, 2)
    assert "550" in shelved.errors[0]
    assert "no such mailbox here" in shelved.errors[0]


@pytest.mark.usefixtures("uncounted")
def test_a_task_whose_mail_one_of_its_recipients_does_not_get_is_shelved(strict):
    with jobqueue.launch_master(attempts=1) as master, jobqueue.launch_workers(master):
        both = letter(strict, recipient="customer1@example.org, customer3@example.org")
        trace = master.run("send_mail", [both])
    assert "customer3@example.org: no such mailbox here" in trace.errors[0]


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("drop", [False, True])
def test_a_worker_that_dies_before_it_reports_sends_twice_with_one_message_id(drop):
    start = partial(jobqueue.launch_master, lease=0.5)
    with servers.mail(silent_once=True, drop_doubles=drop) as server, start() as master:
        mail = letter(server)
        with jobqueue.launch_workers(master) as first:
            batch = master.submit("send_mail", [mail])
            server.wait_for(1)
            first.kill_one()
        with jobqueue.launch_workers(master):
            assert batch.wait(SOON).values == [mail.message_id]
        assert ids(server) == [mail.message_id] * (1 if drop else 2)
        assert master.stats().retried == 1
