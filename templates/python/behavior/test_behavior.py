"""Starts the program and looks at it as its users do: over HTTP, from outside."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

APP = pathlib.Path(__file__).resolve().parent.parent / "app.py"


class BehaviorTest(unittest.TestCase):
    def start(self, **env):
        """Run the program on a free port and wait for its log to say which."""
        self.program = subprocess.Popen(
            [sys.executable, str(APP)],
            env={**os.environ, "PORT": "0", "ENVIRONMENT": "behavior", **env},
            stderr=subprocess.PIPE,
        )
        self.addCleanup(self.program.stderr.close)
        self.addCleanup(self.program.wait)
        self.addCleanup(self.program.kill)
        line = json.loads(self.program.stderr.readline())
        self.assertEqual(line["msg"], "serving")
        self.url = "http://127.0.0.1" + line["address"]

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def test_a_visitor_sees_where_they_are(self):
        self.start()
        status, body = self.get("/")
        self.assertEqual(status, 200)
        self.assertIn("behavior", body)

    def test_the_switch_makes_it_unhealthy(self):
        self.start(HEALTH="failing")
        self.assertEqual(self.get("/readyz")[0], 503)

    def test_it_stops_when_it_is_told(self):
        self.start()
        self.program.send_signal(signal.SIGTERM)
        self.assertEqual(self.program.wait(timeout=20), 0)


if __name__ == "__main__":
    unittest.main()
