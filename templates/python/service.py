"""A service on the golden path: a page, health and metrics, with the standard library alone."""

import html
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>template-service</title>
<h1>template-service</h1>
<p>version <code id="version">{version}</code>, environment <code id="environment">{environment}</code></p>
</html>
"""


@dataclass(frozen=True)
class Settings:
    """What the environment says."""

    port: int
    version: str
    environment: str
    healthy: bool

    @staticmethod
    def read(env):
        """Read the environment; a wrong value is a ValueError that names it."""
        text = env.get("PORT") or "8080"
        if not (text.isascii() and text.isdigit() and int(text) <= 65535):
            raise ValueError(f'PORT: "{text}" is not a port: give a number from 0 to 65535')
        return Settings(
            port=int(text),
            version=env.get("VERSION") or "unknown",
            environment=env.get("ENVIRONMENT") or "local",
            healthy=env.get("HEALTH") != "failing",
        )


class Service:
    """What is answered, and the count of it."""

    def __init__(self, settings):
        self.settings = settings
        self.draining = False
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._active = 0  # requests that are being answered
        self._requests = {}  # labels of the metric -> requests answered
        self._seconds = 0.0
        self.routes = {
            "/": self._page,
            "/healthz": lambda: self._ok(settings.healthy),
            "/readyz": lambda: self._ok(settings.healthy and not self.draining),
            "/metrics": lambda: (200, "text/plain; version=0.0.4; charset=utf-8", self.metrics()),
        }

    def answer(self, path):
        """Give status, content type and body for a path, and count the request."""
        started = time.perf_counter()
        route = path.split("?", 1)[0]
        if route in self.routes:
            status, kind, body = self.routes[route]()
        else:
            # A path that is no route is "other": strangers make up no labels.
            route, (status, kind, body) = "other", (404, "text/plain; charset=utf-8", "not found\n")
        with self._lock:
            labels = f'route="{route}",code="{status}"'
            self._requests[labels] = self._requests.get(labels, 0) + 1
            self._seconds += time.perf_counter() - started
        return status, kind, body

    def begin(self):
        """A request has come."""
        with self._lock:
            self._active += 1

    def end(self):
        """A request has been answered."""
        with self._lock:
            self._active -= 1
            self._idle.notify_all()

    def wait_idle(self, seconds):
        """Wait until no request is being answered; say whether it came to that in time."""
        with self._idle:
            return self._idle.wait_for(lambda: self._active == 0, timeout=seconds)

    def metrics(self):
        """The Prometheus text format."""
        with self._lock:
            lines = ["# TYPE http_requests_total counter"]
            lines += [f"http_requests_total{{{labels}}} {n}" for labels, n in sorted(self._requests.items())]
            lines += [
                "# TYPE http_request_duration_seconds summary",
                f"http_request_duration_seconds_sum {self._seconds}",
                f"http_request_duration_seconds_count {sum(self._requests.values())}",
            ]
        return "\n".join(lines) + "\n"

    def _page(self):
        s = self.settings
        page = PAGE.format(version=html.escape(s.version), environment=html.escape(s.environment))
        return 200, "text/html; charset=utf-8", page

    @staticmethod
    def _ok(good):
        kind = "text/plain; charset=utf-8"
        return (200, kind, "ok\n") if good else (503, kind, "unavailable\n")


def serve(service, host=""):
    """Bind the port and give a server whose serve_forever() is not called yet."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self):
            self._send(with_body=True)

        def do_HEAD(self):
            self._send(with_body=False)

        def _send(self, with_body):
            service.begin()
            try:
                self._answer(with_body)
            finally:
                service.end()

        def _answer(self, with_body):
            status, kind, body = service.answer(self.path)
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if with_body:
                self.wfile.write(data)
            if service.draining:
                self.close_connection = True

        def log_message(self, format, *args):
            """Requests are counted, not logged."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True  # a connection that is kept open and silent does not keep the program
        request_queue_size = 128

    return Server((host, service.settings.port), Handler)
