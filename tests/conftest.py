"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

# Two busy cores make any deadline a lottery.
settings.register_profile("lin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lin")


def pytest_configure() -> None:
    # What a shell starts in the background ignores SIGINT, and so would all that a test starts and interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def require_service() -> Callable[[str, str], NoReturn]:
    """Return what a test calls when a real server or tool it needs is missing.

    It skips the test, and says so; where everything has to be there, it fails.
    """

    def missing(name: str, reason: str) -> NoReturn:
        text = f"{name} is missing: {reason}"
        if os.environ.get("LIN_REQUIRE_SERVICES") == "1":
            pytest.fail(text)
        pytest.skip(text)

    return missing
