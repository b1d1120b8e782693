"""The exercises of chapter 07: starter, solution, and wrong answers with the very message that each gets."""

import concurrent.futures
from concurrent.futures import ThreadPoolExecutor

import pytest
from distributed import as_completed

# --- The same program on the engine ------------------------------------------------------------------


def by_a_pool(client, work, numbers):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, numbers))


def by_the_engine(client, work, numbers):
    return client.gather(client.map(work, numbers))


def by_results(client, work, numbers):
    futures = [client.submit(work, number) for number in numbers]
    return [future.result() for future in futures]


def one_by_one(client, work, numbers):
    return [client.submit(work, number).result() for number in numbers]


def all_in_one_task(client, work, numbers):
    return client.submit(work, numbers).result()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda client, work, numbers: None, "Not attempted yet: nothing was run."),
        (by_a_pool, "Not attempted yet: all 8 ran in this program, and none on the engine."),
        (by_the_engine, "Correct: the same program, and the engine did the work, on both workers at once."),
        (by_results, "Correct: "),
        (lambda client, work, numbers: client.map(work, numbers), "Not yet: it gives futures: their"),
        (one_by_one, "Not yet: the tasks ran one after another: whoever asks for a result before the next"),
        (all_in_one_task, "Not yet: it raises TypeError: work takes one number, and was given [0, 1, 2,"),
        (lambda client, work, numbers: [n * n for n in numbers], "Not yet: the results are there, and"),
        (lambda client, work, numbers: client.gather(client.map(work, numbers[::-1])), "Not yet: the"),
    ],
)  # fmt: skip
def test_the_same_program_on_the_engine(told, answer, words):
    assert told("07.map", answer).startswith(words)


# --- Results as they come home -----------------------------------------------------------------------


def gather_first(client, work, numbers, seen):
    for result in client.gather(client.map(work, numbers)):
        seen(result)


def as_they_come(client, work, numbers, seen):
    for future in as_completed(client.map(work, numbers)):
        seen(future.result())


def in_their_order(client, work, numbers, seen):
    for future in client.map(work, numbers):
        seen(future.result())


def futures_themselves(client, work, numbers, seen):
    for future in as_completed(client.map(work, numbers)):
        seen(future)


def pairs(client, work, numbers, seen):
    for pair in as_completed(client.map(work, numbers), with_results=True):
        seen(pair)


def of_another_library(client, work, numbers, seen):
    for future in concurrent.futures.as_completed(client.map(work, numbers)):
        seen(future.result())


def all_but_the_first(client, work, numbers, seen):
    for future in as_completed(client.map(work, numbers[1:])):
        seen(future.result())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda client, work, numbers, seen: None, "Not attempted yet: nothing was run."),
        (gather_first, "Not attempted yet: the first task took long. The other results were home long"),
        (as_they_come, "Correct: each result was seen when it was there, and nobody waited for the"),
        (in_their_order, "Not yet: the first task took long, and the results of the others had to wait"),
        (futures_themselves, "Not yet: it gives futures: their values are still in the workers."),
        (pairs, "Not yet: seen was to be handed results, and was handed (<Future: "),
        (of_another_library, "Not yet: the as_completed of concurrent.futures does not know the engine's"),
        (all_but_the_first, "Not yet: each of the 8 results was to be seen once; seen were ["),
    ],
)  # fmt: skip
def test_results_as_they_come_home(told, answer, words):
    assert told("07.completed", answer).startswith(words)


# --- A task that fails -------------------------------------------------------------------------------


def outcomes(client, work, numbers):
    futures = client.map(work, numbers)
    return [
        type(future.exception()).__name__ if future.exception() else future.result() for future in futures
    ]


def skip_errors(client, work, numbers):
    return client.gather(client.map(work, numbers), errors="skip")


def errors_themselves(client, work, numbers):
    return [future.exception() or future.result() for future in client.map(work, numbers)]


def words_of_errors(client, work, numbers):
    return [str(future.exception() or future.result()) for future in client.map(work, numbers)]


def in_any_order(client, work, numbers):
    return [*outcomes(client, work, numbers)[-2::-1], 0]


def guess(client, work, numbers):
    return [n * n if n != 3 else "ValueError" for n in numbers]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda client, work, numbers: None, "Not attempted yet: nothing was run."),
        (by_the_engine, "Not attempted yet: one task of eight raised ValueError, so the answer did as"),
        (outcomes, "Correct: seven results and the name of one error, each in its place."),
        (skip_errors, "Not yet: for 8 numbers, 7 outcomes came: nobody can tell which one is missing."),
        (errors_themselves, "Not yet: where a task failed, the error itself came: the name of its type"),
        (words_of_errors, "Not yet: the task of 3 raises ValueError, so \"ValueError\" was expected; got"),
        (in_any_order, "Not yet: each outcome in its number's place was expected; got [36, "),
        (guess, "Not yet: the results are there, and work was never run."),
    ],
)  # fmt: skip
def test_a_task_that_fails(told, answer, words):
    assert told("07.errors", answer).startswith(words)
