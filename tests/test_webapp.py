"""The small web application: what it answers, what it counts, and that it leaves nothing behind."""

import json
import sqlite3
import urllib.error
import urllib.request

import psutil
import pytest

from helpers.experiments import webapp


@pytest.fixture(scope="module")
def app():
    with webapp.serving(delay=0.03) as app:
        yield app


def test_a_page_is_rendered_of_rows_whatever_is_in_them():
    text = webapp.page([["<b>", 1.5], ["tea", 20]]).decode()
    assert "<li>&lt;b&gt;: <b>1.50</b>" in text
    assert "<li>tea: <b>20.00</b>" in text
    assert json.loads(text.partition("show(")[2].partition(")</script>")[0]) == [["<b>", 1.5], ["tea", 20]]


def test_the_database_has_what_the_page_shows(tmp_path):
    file = tmp_path / "products.sqlite"
    webapp.make_database(file, products=80)
    rows = webapp.read(str(file))
    assert len(rows) == 50
    assert [price for _, price in rows] == sorted(price for _, price in rows)
    webapp.count_visit(str(file))
    webapp.count_visit(str(file))
    database = sqlite3.connect(file)
    assert database.execute("SELECT count(*) FROM visits").fetchone() == (2,)
    database.close()


def test_all_pages_show_the_same_products(app):
    pages = {page: webapp._get(app.url + page) for page in webapp.PAGES}
    assert len(set(pages.values())) == 1
    assert pages["own"].count(b"<li>") == 50


def test_every_request_is_counted_with_both_clocks(app):
    for page in webapp.PAGES:
        visits = app.visit(page, requests=12, clients=3)
        assert (visits.page, visits.clients, len(visits.each)) == (page, 3, 12)
        assert all(0 <= cpu <= seconds + 0.02 for seconds, cpu in visits.each)
        assert visits.rate == pytest.approx(12 / visits.seconds)
    assert repr(visits).startswith("<Visits: 12 of /network by 3 clients, ")


def test_a_page_across_the_network_waits_for_it(app):
    visits = app.visit("network", requests=5)
    assert all(seconds >= 0.03 for seconds, _ in visits.each)
    assert visits.share < 0.7


def test_the_share_is_the_median():
    visits = webapp.Visits("own", 1, 1.0, ((0.1, 0.1), (0.1, 0.05), (9.0, 0.1)))
    assert visits.share == 0.5
    assert webapp.Visits("own", 1, 1.0, ((0.1, 0.11),)).share == 1.0


def test_what_there_is_not_is_not_found(app):
    with pytest.raises(OSError, match="404"):
        webapp._get(app.url + "nothing")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(app.url)


def test_nothing_is_left_of_it():
    before = set(psutil.Process().children(recursive=True))
    with webapp.serving(delay=0) as app:
        assert len(set(psutil.Process().children(recursive=True)) - before) == 2
    assert set(psutil.Process().children(recursive=True)) <= before
    with pytest.raises(OSError):  # noqa: PT011
        webapp._get(app.url + "own")


def test_an_application_that_does_not_start_says_why(monkeypatch):
    monkeypatch.setattr(webapp, "_THIS", "helpers.experiments.not_there")
    with pytest.raises(RuntimeError, match=r"did not start: .*not_there"), webapp.serving():
        pass


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("home",), "page: expected one of own, visits, network, got 'home'"),
     (("own", 0), "requests: expected a whole number"),
     (("own", 5, 101), "clients: expected a whole number from 1 to 100")],
)  # fmt: skip
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        webapp.WebApp("http://a/").visit(*arguments)


def test_a_wrong_delay_is_named():
    with pytest.raises(ValueError, match="delay: expected 0 to 10 seconds"), webapp.serving("0.02"):
        pass
