"""A running platform: the built program, on free ports and a folder of its own.

Standard library only; what a test does with it is the test's part.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary():
    """Where cargo puts the program."""
    target = os.environ.get("CARGO_TARGET_DIR") or ROOT / "target"
    return pathlib.Path(target) / "debug" / "local"


def free_port():
    """A port that nobody uses right now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class KeepAnswer(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the redirect is the answer."""

    def redirect_request(self, *_):
        return None


class Platform:
    """Starts on entering, stops as Ctrl-C does on leaving."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="rundbrief-python-")
        self.log = pathlib.Path(self.folder.name) / "log"
        self.start()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.exit_code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.exit_code = self.process.wait()
        self.logged = self.log.read_text()
        self.folder.cleanup()

    def start(self):
        """Starts it and waits until it is up."""
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [
                    binary(),
                    "--port", str(self.port),
                    "--shop-port", str(free_port()),
                    "--data", pathlib.Path(self.folder.name) / "data",
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.get("/_local/health")[0] == 200:
                    break
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the platform did not start:\n" + self.log.read_text())
            time.sleep(0.05)
        self.endpoints = self.json("GET", "/_local/endpoints")

    def request(self, method, path, body=None, headers=None):
        """Status, headers and body of one request; follows no redirect."""
        request = urllib.request.Request(
            self.api + path, data=body, headers=headers or {}, method=method
        )
        opener = urllib.request.build_opener(KeepAnswer, urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=310) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as answer:
            return answer.code, dict(answer.headers), answer.read()

    def get(self, path):
        """GET."""
        return self.request("GET", path)

    def json(self, method, path, value=None, key=None, expect=(200, 201, 202)):
        """A call with JSON both ways."""
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        body = None if value is None else json.dumps(value).encode()
        status, _, answer = self.request(method, path, body, headers)
        if status not in expect:
            raise AssertionError(f"{method} {path}: {status} {answer[:500]!r}")
        return json.loads(answer) if answer else None

    def manage(self, method, path, value=None, **more):
        """A call of the management API with the demo account's key."""
        key = self.endpoints["demo_key"]
        return self.json(method, "/api/v1/accounts/demo" + path, value, key, **more)

    def form(self, path, **fields):
        """A browser's form post."""
        body = urllib.parse.urlencode(fields).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, body, kind)

    def drain(self):
        """Waits until all queues are empty."""
        answer = self.json("POST", "/_local/drain")
        if answer != {"idle": True}:
            raise AssertionError(answer)

    def inbox(self, to=""):
        """All mails to an address, oldest first."""
        query = urllib.parse.urlencode({"to": to})
        return self.json("GET", "/_local/inbox.json?" + query)["items"]

    @staticmethod
    def link(mail, action):
        """The path of a mail's link."""
        return re.search(rf"/{action}/[\w-]+", mail["text"])[0]
