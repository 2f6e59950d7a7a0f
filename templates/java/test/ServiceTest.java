import java.util.Map;

final class ServiceTest {
  private static Service service(Map<String, String> env) {
    return new Service(Settings.read(env));
  }

  void testThePageShowsVersionAndEnvironmentEscaped() {
    String body = service(Map.of("VERSION", "3f2ab1c", "ENVIRONMENT", "<dev>")).answer("/").body();
    Runner.contains("3f2ab1c", body);
    Runner.contains("&lt;dev&gt;", body);
  }

  void testHealthFollowsTheSwitchAndReadinessTheDrain() {
    Service good = service(Map.of());
    Runner.equal(200, good.answer("/healthz").status(), "/healthz");
    Runner.equal(200, good.answer("/readyz").status(), "/readyz");
    good.drain();
    Runner.equal(200, good.answer("/healthz").status(), "/healthz while stopping");
    Runner.equal(503, good.answer("/readyz").status(), "/readyz while stopping");
    Runner.equal(503, service(Map.of("HEALTH", "failing")).answer("/healthz").status(), "/healthz with HEALTH=failing");
  }

  void testMetricsCountByRouteAndNeverByPath() {
    Service s = service(Map.of());
    s.answer("/");
    s.answer("/no/such/page");
    String text = s.answer("/metrics").body();
    Runner.contains("http_requests_total{route=\"/\",code=\"200\"} 1\n", text);
    Runner.contains("http_requests_total{route=\"other\",code=\"404\"} 1\n", text);
    Runner.equal(false, text.contains("such"), "a stranger's path is a label");
  }

  void testAWrongPortIsNamed() {
    try {
      Settings.read(Map.of("PORT", "http"));
    } catch (IllegalArgumentException e) {
      Runner.contains("PORT", e.getMessage());
      return;
    }
    throw new AssertionError("PORT=http is taken");
  }
}
