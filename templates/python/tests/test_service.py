import unittest

from service import Service, Settings


def service(**env):
    return Service(Settings.read(env))


class ServiceTest(unittest.TestCase):
    def test_the_page_shows_version_and_environment_escaped(self):
        status, kind, body = service(VERSION="3f2ab1c", ENVIRONMENT="<dev>").answer("/")
        self.assertEqual((status, kind), (200, "text/html; charset=utf-8"))
        self.assertIn("3f2ab1c", body)
        self.assertIn("&lt;dev&gt;", body)

    def test_health_follows_the_switch_and_readiness_the_drain(self):
        good, bad = service(), service(HEALTH="failing")
        self.assertEqual([good.answer(p)[0] for p in ("/healthz", "/readyz")], [200, 200])
        self.assertEqual([bad.answer(p)[0] for p in ("/healthz", "/readyz")], [503, 503])
        good.draining = True
        self.assertEqual([good.answer(p)[0] for p in ("/healthz", "/readyz")], [200, 503])

    def test_metrics_count_by_route_and_never_by_path(self):
        s = service()
        s.answer("/")
        s.answer("/no/such/page")
        text = s.answer("/metrics")[2]
        self.assertIn('http_requests_total{route="/",code="200"} 1\n', text)
        self.assertIn('http_requests_total{route="other",code="404"} 1\n', text)
        self.assertNotIn("such", text)

    def test_stopping_waits_for_requests_that_are_being_answered(self):
        s = service()
        self.assertTrue(s.wait_idle(seconds=0))
        s.begin()
        self.assertFalse(s.wait_idle(seconds=0))
        s.end()
        self.assertTrue(s.wait_idle(seconds=0))

    def test_a_wrong_port_is_named(self):
        for port in ("http", "-1", "70000", "8080 "):
            with self.assertRaisesRegex(ValueError, "PORT"):
                Settings.read({"PORT": port})


if __name__ == "__main__":
    unittest.main()
