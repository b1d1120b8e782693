"""The exercises of chapter 05: starter, solution, and wrong answers with the very message that each gets."""

import contextlib
import os
import threading
import time

import pytest

# --- A task that may run twice -----------------------------------------------------------------------

PAY = "UPDATE account SET balance = balance + ?"
LOOK, NOTE = "SELECT 1 FROM done WHERE number = ?", "INSERT INTO done VALUES (?)"


def deposit(db, number, amount):
    with db:
        db.execute(PAY, [amount])


def deposit_once(db, number, amount):
    with db:
        if not db.execute(LOOK, [number]).fetchone():
            db.execute(PAY, [amount])
            db.execute(NOTE, [number])


def note_first_and_let_the_key_decide(db, number, amount):
    done = db.cursor().execute("INSERT OR IGNORE INTO done VALUES (?)", [number]).rowcount
    if done:
        db.execute(PAY, [amount])
    db.commit()


def forget_to_commit(db, number, amount):
    db.execute(PAY, [amount])


def never_note(db, number, amount):
    with db:
        if not db.execute(LOOK, [number]).fetchone():
            db.execute(PAY, [amount])


def two_transactions(db, number, amount):
    if not db.execute(LOOK, [number]).fetchone():
        with db:
            db.execute(PAY, [amount])
        with db:
            db.execute(NOTE, [number])


def noted_too_soon(db, number, amount):
    if not db.execute(LOOK, [number]).fetchone():
        with db:
            db.execute(NOTE, [number])
        with db:
            db.execute(PAY, [amount])


def trip_over_the_key(db, number, amount):
    with db:
        db.execute(NOTE, [number])
        db.execute(PAY, [amount])


def by_the_amount(db, number, amount):
    with db:
        if not db.execute(LOOK, [amount]).fetchone():
            db.execute(PAY, [amount])
            db.execute(NOTE, [amount])


def in_memory():
    done = set()

    def deposit(db, number, amount):
        if number not in done:
            with db:
                db.execute(PAY, [amount])
            done.add(number)

    return deposit


def set_the_balance(db, number, amount):
    with db:
        db.execute("UPDATE account SET balance = ?", [amount])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda db, number, amount: None, "Not attempted yet: the database was not touched."),
        (deposit, "Not attempted yet: task 1 was handed out twice, and its 100 were paid in twice."),
        (deposit_once, "Correct: handed out twice, or cut off at any step: each task is paid in just"),
        (note_first_and_let_the_key_decide, "Correct: "),
        (forget_to_commit, "Not yet: 100 were to be paid in, and another program finds 0 in the account."),
        (never_note, "Not yet: task 1 was handed out twice, and its 100 were paid in twice: note its number"),
        (two_transactions, "Not yet: the power failed after a worker had paid in, and not noted it. The"),
        (noted_too_soon, "Not yet: the power failed after a worker had noted it, and had not paid in. The"),
        (trip_over_the_key, "Not yet: handed out a second time, the task raises IntegrityError, as its"),
        (by_the_amount, "Not yet: task 2 has the same amount as task 1, and 100 came of both"),
        (in_memory(), "Not yet: in another file, task 1 was not done, and 0 were paid in."),
        (set_the_balance, "Not yet: task 2 has the same amount as task 1, and 100 came of both"),
        (lambda db, number, amount: db.execute("UPDATE accounts"), "Not yet: it raises OperationalError: "),
    ],
)  # fmt: skip
def test_a_task_that_may_run_twice(told, answer, words):
    assert told("05.once", answer).startswith(words)


# --- A file in one piece -----------------------------------------------------------------------------


def write_in_place(path, lines):
    with open(path, "w") as file:  # noqa: PTH123
        file.writelines(lines)


def write_and_replace(path, lines):
    new = path.with_suffix(".new")
    with new.open("w") as file:
        file.writelines(lines)
    os.replace(new, path)  # noqa: PTH105


def write_and_replace_by_pathlib(path, lines):
    new = path.with_name("new")
    new.write_text("".join(lines))
    new.replace(path)


def join_and_write_in_place(path, lines):
    path.write_text("".join(lines))


def replace_too_soon(path, lines):
    new = path.with_suffix(".new")
    with new.open("w") as file:
        file.writelines(lines)
        new.replace(path)


def remove_and_write(path, lines):
    path.unlink()
    new = path.with_suffix(".new")
    new.write_text("".join(lines))
    new.rename(path)


def copy(path, lines):
    new = path.with_suffix(".new")
    new.write_text("".join(lines))
    path.write_text(new.read_text())
    new.unlink()


def leave_the_old_one(path, lines):
    path.with_suffix(".new").write_text("".join(lines))


def keep_a_copy(path, lines):
    path.with_suffix(".old").write_text(path.read_text())
    write_and_replace(path, lines)


def swallow(path, lines):
    with contextlib.suppress(Exception):
        write_and_replace(path, lines)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda path, lines: None, "Not attempted yet: no line was taken."),
        (write_in_place, "Not attempted yet: while it was being written, a reader found '' in the file: "),
        (write_and_replace, "Correct: a reader finds the old file or the new one, never half of it."),
        (write_and_replace_by_pathlib, "Correct: "),
        (join_and_write_in_place, "Not yet: the file itself was written to. That takes a moment, in which"),
        (copy, "Not yet: the file itself was written to. That takes a moment, in which"),
        (remove_and_write, "Not yet: while it was being written, a reader found no file: leave the old"),
        (leave_the_old_one, "Not yet: all lines were taken, and the file holds what it held before."),
        (keep_a_copy, "Not yet: all is written, and 'report.old' is left beside it."),
        (swallow, "Not yet: an error came up while the lines were made, and whoever called was not told."),
        pytest.param(
            replace_too_soon,
            "Not yet: when it got its name, the new file held '': what is written is in the file only when",
            marks=pytest.mark.skipif(os.name == "nt", reason="Windows renames no open file"),
        ),
    ],
)
def test_a_file_in_one_piece(told, answer, words):
    assert told("05.write", answer).startswith(words)


# --- A heartbeat -------------------------------------------------------------------------------------


def no_heartbeat(beat, job, every):
    return job()


def heartbeat(beat, job, every):
    done = threading.Event()

    def beats():
        while not done.wait(every):
            beat()

    thread = threading.Thread(target=beats)
    thread.start()
    try:
        return job()
    finally:
        done.set()
        thread.join()


def beat_first(beat, job, every):
    beat()
    return job()


def beat_for_ever(beat, job, every):
    def beats():
        while True:
            beat()
            time.sleep(every)

    threading.Thread(target=beats).start()
    return job()


def beat_on_after_an_error(beat, job, every):
    done = threading.Event()

    def beats():
        while not done.wait(every):
            beat()

    threading.Thread(target=beats).start()
    value = job()
    done.set()
    return value


def wait_for_the_heart(beat, job, every):
    def beats():
        while True:
            beat()
            time.sleep(every)

    thread = threading.Thread(target=beats)
    thread.start()
    value = job()
    thread.join()
    return value


def beat_without_a_pause(beat, job, every):
    done = threading.Event()

    def beats():
        while not done.is_set():
            beat()

    threading.Thread(target=beats).start()
    try:
        return job()
    finally:
        done.set()


def lose_the_value(beat, job, every):
    heartbeat(beat, job, every)


def swallow_the_error(beat, job, every):
    try:
        return heartbeat(beat, job, every)
    except KeyError:
        return None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda beat, job, every: None, "Not attempted yet: the job was not run."),
        (no_heartbeat, "Not attempted yet: the job has run, and beat() was never called."),
        (heartbeat, "Correct: it beats while the job runs, and only then."),
        (beat_first, "Not yet: while the job ran, beat() was called 0 times: it has to be called again"),
        (beat_for_ever, "Not yet: the job has ended, and the heart still beats: everybody will believe"),
        (beat_on_after_an_error, "Not yet: the job has ended with an error, and the heart still beats"),
        (wait_for_the_heart, "Not yet: the job is over, and the function has not returned: does it wait"),
        (beat_without_a_pause, "Not yet: beat() was called "),
        (lose_the_value, "Not yet: what the job returned was to be returned; got None."),
        (swallow_the_error, "Not yet: the job raised a KeyError, and whoever called was not told."),
    ],
)
def test_a_heartbeat(told, answer, words):
    before = threading.active_count()
    assert told("05.heartbeat", answer).startswith(words)
    time.sleep(0.1)
    assert threading.active_count() <= before


# --- A retry that gives up ---------------------------------------------------------------------------


def attempt(job, attempts):
    for number in range(attempts):
        try:
            return job()
        except Exception:
            if number == attempts - 1:
                raise


def one_too_few(job, attempts):
    return attempt(job, attempts - 1)


def one_too_many(job, attempts):
    return attempt(job, attempts + 1)


def for_ever(job, attempts):
    while True:
        try:
            return job()
        except Exception:
            pass


def give_up_in_silence(job, attempts):
    for _ in range(attempts):
        try:
            return job()
        except Exception:
            pass


def catch_all(job, attempts):
    for number in range(attempts):
        try:
            return job()
        except:  # noqa: E722
            if number == attempts - 1:
                raise


def another_error(job, attempts):
    try:
        return attempt(job, attempts)
    except OSError:
        raise RuntimeError("given up") from None


def always_all(job, attempts):
    for _ in range(attempts):
        value = job()
    return value


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda job, attempts: None, "Not attempted yet: the job was not run."),
        (lambda job, attempts: job(), "Not attempted yet: the job raised OSError once, and was not tried"),
        (attempt, "Correct: again after an error, not for ever, and the last error is told."),
        (one_too_few, "Not yet: the job fails twice and then succeeds. With three attempts, it was given"),
        (one_too_many, "Not yet: a job that always fails was to be run 4 times, and was run 5 times."),
        (for_ever, "Not yet: a job that always fails was to be run 4 times, and was run 51 times, with no"),
        (give_up_in_silence, "Not yet: a job that always fails was given up, and None was returned:"),
        (catch_all, "Not yet: somebody pressed Ctrl-C while the job ran, and it was tried again"),
        (another_error, "Not yet: a job that always fails raised OSError, and the answer raises"),
        (always_all, "Not yet: the job succeeded at once, and was run 3 times."),
        (lambda job, attempts: job, "Not attempted yet: the job was not run."),
    ],
)  # fmt: skip
def test_a_retry_that_gives_up(told, answer, words):
    assert told("05.retry", answer).startswith(words)
