"""The page in a real browser: it works, and nothing is asked of anyone but lin."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever the browser itself would like to ask of the world, it cannot.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1400,900",
    "--remote-debugging-pipe",
)
PATIENCE = 60
"""Seconds, on a busy machine."""

pytestmark = pytest.mark.service


class Browser:
    """Drive one page over the browser's debugging pipe: JSON messages that end in a zero byte."""

    def __init__(self, program: str, profile: Path) -> None:
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()
        # The browser reads descriptor 3 and writes descriptor 4; a shell puts them there.
        script = f'exec "$@" 3<&{read_commands} 4>&{write_answers} {read_commands}<&- {write_answers}>&-'
        command = ["bash", "-c", script, "bash", program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command,
            pass_fds=(read_commands, write_answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_commands)
        os.close(write_answers)
        self._numbers = itertools.count(1)
        self._buffer = b""
        self.events: list[dict[str, Any]] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    _session: str | None = None

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, script: str) -> Any:
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, script: str) -> Any:
        """Wait for a script to return something true, and return that."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            # The page itself waits for its next frame between looks, so nothing sleeps here.
            value = self.evaluate(f"new Promise(done => setTimeout(() => done({script}), 50))")
            if value:
                return value
        raise AssertionError(f"not in {PATIENCE} s: {script}\n{self.evaluate('document.body.innerText')}")

    def requests(self) -> list[dict[str, Any]]:
        return [e["params"]["request"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[Any]:
        entries = [e["params"]["entry"] for e in self.events if e["method"] == "Log.entryAdded"]
        thrown = [e["params"] for e in self.events if e["method"] == "Runtime.exceptionThrown"]
        return [e for e in entries if e["level"] == "error"] + thrown

    def close(self) -> None:
        os.close(self._commands)
        try:
            self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._answers, 1 << 16)
            if not part:
                raise AssertionError("the browser has ended")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


@pytest.fixture
def browser(require_service, tmp_path) -> Iterator[Browser]:
    program = os.environ.get("LIN_CHROMIUM") or shutil.which("chromium") or ""
    if not program:
        require_service("Chromium", "install the package chromium, or name the program in LIN_CHROMIUM")
    started = Browser(program, tmp_path / "profile")
    yield started
    started.close()


RESULT = "document.querySelector('.result-window')?.innerText"
RUN = "document.querySelector('.graphiql-execute-button').click()"


def open_page(browser: Browser, url: str) -> None:
    browser.call("Page.navigate", url=url)
    browser.until("document.querySelector('.graphiql-query-editor .CodeMirror-code')?.innerText.includes('repository')")


def outside(browser: Browser, url: str) -> list[str]:
    return [r["url"] for r in browser.requests() if not r["url"].startswith((url, "data:", "about:"))]


def test_page_asks_and_shows(browser, client, world):
    """The editor renders, the schema is loaded, a query runs and its answer is shown, without a request to others."""
    open_page(browser, f"{client.url}/graphql")
    browser.evaluate(RUN)
    shown = browser.until(f"({RESULT} || '').includes('delay-model@v2') && {RESULT}")
    assert world.repository.id in shown
    browser.evaluate("document.querySelector('[aria-label=\"Show Documentation Explorer\"]').click()")
    browser.until("document.querySelector('.graphiql-plugin')?.innerText.includes('All Schema Types')")
    if folder := os.environ.get("LIN_SCREENSHOTS"):
        image = browser.call("Page.captureScreenshot")["data"]
        Path(folder, "graphiql.png").write_bytes(base64.b64decode(image))
    posted = [request for request in browser.requests() if request["method"] == "POST"]
    assert len(posted) >= 2  # introspection, and the query
    assert outside(browser, client.url) == []
    assert browser.complaints() == []


def test_explorer_builds_queries(browser, client):
    """The explorer lists the questions."""
    open_page(browser, f"{client.url}/graphql")
    browser.evaluate("document.querySelector('[aria-label=\"Show GraphiQL Explorer\"]').click()")
    browser.until("document.querySelector('.graphiql-plugin')?.innerText.includes('modelsTrainedOn')")
    assert outside(browser, client.url) == []
    assert browser.complaints() == []


def test_query_in_the_address(browser, client):
    """A query in the address is what the editor shows, so that it can be shared; it is not run by itself."""
    browser.call("Page.navigate", url=f"{client.url}/graphql?query=%7B%20repository%20%7B%20format%20%7D%20%7D")
    browser.until("document.querySelector('.CodeMirror-code')?.innerText.includes('format')")
    assert "data" not in (browser.evaluate(RESULT) or "")


def test_page_asks_for_the_token(browser, world, start_server):
    """Where a token is wanted, the page asks for it, sends it, and keeps it in this tab only."""
    client = start_server(world.repository, token="open-sesame")
    browser.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="window.prompts = 0; window.prompt = () => (prompts++, 'open-sesame')",
    )
    open_page(browser, f"{client.url}/graphql")
    browser.evaluate(RUN)
    browser.until(f"({RESULT} || '').includes('delay-model@v2')")
    assert browser.evaluate("[prompts, sessionStorage.getItem('lin-token')]") == [1, "open-sesame"]
    assert "open-sesame" not in browser.evaluate("JSON.stringify(localStorage) + location.href + document.cookie")


def test_foreign_scripts_are_refused(browser, client):
    """The page's policy stops what would be loaded from elsewhere or written into the page."""
    open_page(browser, f"{client.url}/graphql")
    browser.evaluate("""{
      const script = document.createElement('script');
      script.textContent = 'window.injected = true';
      document.head.append(script);
    }""")
    assert browser.evaluate("window.injected") is None
    loaded = "fetch('http://127.0.0.1:9/').then(() => 'loaded', () => 'refused')"
    assert browser.evaluate(loaded) == "refused"
    browser.until("true")
    assert any("Content Security Policy" in str(complaint) for complaint in browser.complaints())
