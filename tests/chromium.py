"""A page in headless Chromium, asked over the DevTools protocol (a pipe: no port, no package)."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

HANG = 60


def program():
    """The browser, or the test is skipped."""
    for name in "chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell":
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium here (Debian: apt-get install chromium)")


class Browser:
    """One browser process; open() gives a page."""

    def __enter__(self):
        found = program()
        self.profile = tempfile.mkdtemp(prefix="shardmill-chromium-")
        to_read, self.to_write = os.pipe()
        self.to_listen, from_write = os.pipe()

        def place_pipes():  # Chromium reads from 3 and writes to 4
            high = [os.dup(to_read), os.dup(from_write)]
            while min(high) < 5:
                high = [os.dup(fd) for fd in high]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [found, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--no-first-run", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
             "--user-data-dir=" + self.profile],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=place_pipes, close_fds=False)
        os.close(to_read)
        os.close(from_write)
        self.pending, self.number, self.events = b"", 0, []
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(timeout=HANG)
        os.close(self.to_write)
        os.close(self.to_listen)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self):
        while b"\0" not in self.pending:
            part = os.read(self.to_listen, 1 << 16)
            assert part, "Chromium is gone"
            self.pending += part
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_write, data):]
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, path):
        return Page(self, Path(path).resolve().as_uri())


class Page:
    def __init__(self, browser, url):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target,
                                    flatten=True)["sessionId"]
        for domain in "Page", "Network", "Runtime", "Log":
            self.call(domain + ".enable")
        browser.events.clear()
        self.call("Page.navigate", url=url)
        while not self.told("Page.loadEventFired"):
            browser.events.append(browser.receive())

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def told(self, method):
        return [e["params"] for e in self.browser.events
                if e.get("method") == method and e.get("sessionId") == self.session]

    def ask(self, expression):
        """What a JavaScript expression gives in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def requests(self):
        return [r["request"]["url"] for r in self.told("Network.requestWillBeSent")]

    def complaints(self):
        """What the console shows: of scripts, and of the browser itself."""
        return [e["entry"]["text"] for e in self.told("Log.entryAdded")] + \
            self.told("Runtime.consoleAPICalled") + self.told("Runtime.exceptionThrown")

    def emulate(self, width=1280, media="screen", scheme="light"):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
