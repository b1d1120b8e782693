"""Print each failure when it happens: a plugin for the parts of the suite that run.py starts side by side."""

import pytest


class Printer:
    """Prints each failed test with its reason, in one piece, as other parts print at the same time."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed:
            self.terminal.write(f"\nFAILED {report.nodeid}\n{report.longreprtext}\n", flush=True)

    pytest_collectreport = pytest_runtest_logreport


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start to print, if anything is printed at all."""
    config.pluginmanager.register(Printer(config.pluginmanager.getplugin("terminalreporter")))
