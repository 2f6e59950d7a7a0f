import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** A service on the golden path: a page, health and metrics, with the JDK alone. */
final class Service {
  private static final Set<String> ROUTES = Set.of("/", "/healthz", "/readyz", "/metrics");

  private final Settings settings;
  private volatile boolean draining;
  private final Map<String, Long> requests = new TreeMap<>(); // labels of the metric -> requests answered
  private double seconds;

  Service(Settings settings) {
    this.settings = settings;
  }

  /** What is answered to a request. */
  record Answer(int status, String type, String body) {}

  /** From now on the service says that it is not ready. */
  void drain() {
    draining = true;
  }

  /** Answers a path, and counts the request by its route; a path that is no route is "other". */
  Answer answer(String path) {
    long started = System.nanoTime();
    String route = ROUTES.contains(path) ? path : "other";
    Answer answer =
        switch (route) {
          case "/" -> new Answer(200, "text/html; charset=utf-8", page());
          case "/healthz" -> ok(settings.healthy());
          case "/readyz" -> ok(settings.healthy() && !draining);
          case "/metrics" -> new Answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics());
          default -> new Answer(404, "text/plain; charset=utf-8", "not found\n");
        };
    synchronized (this) {
      requests.merge("route=\"" + route + "\",code=\"" + answer.status() + "\"", 1L, Long::sum);
      seconds += (System.nanoTime() - started) / 1e9;
    }
    return answer;
  }

  private static Answer ok(boolean good) {
    String type = "text/plain; charset=utf-8";
    return good ? new Answer(200, type, "ok\n") : new Answer(503, type, "unavailable\n");
  }

  private String page() {
    return """
        <!doctype html>
        <html lang="en"><meta charset="utf-8"><title>template-service</title>
        <h1>template-service</h1>
        <p>version <code id="version">%s</code>, environment <code id="environment">%s</code></p>
        </html>
        """
        .formatted(escaped(settings.version()), escaped(settings.environment()));
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
  }

  /** The Prometheus text format. */
  private synchronized String metrics() {
    StringBuilder out = new StringBuilder("# TYPE http_requests_total counter\n");
    long count = 0;
    for (Map.Entry<String, Long> e : requests.entrySet()) {
      out.append("http_requests_total{").append(e.getKey()).append("} ").append(e.getValue()).append('\n');
      count += e.getValue();
    }
    out.append("# TYPE http_request_duration_seconds summary\n");
    out.append("http_request_duration_seconds_sum ").append(seconds).append('\n');
    out.append("http_request_duration_seconds_count ").append(count).append('\n');
    return out.toString();
  }

  /** A server that listens and is started; stop() lets running requests finish. */
  static final class Running {
    private final Service service;
    private final HttpServer server;
    private final ExecutorService threads = Executors.newFixedThreadPool(16);
    private int active; // requests that are being answered

    Running(Settings settings) throws IOException {
      service = new Service(settings);
      server = HttpServer.create(new InetSocketAddress(settings.port()), 128);
      server.createContext("/", this::handle);
      server.setExecutor(threads);
      server.start();
    }

    int port() {
      return server.getAddress().getPort();
    }

    void stop() {
      service.drain();
      awaitIdle(TimeUnit.SECONDS.toNanos(15));
      server.stop(0);
      threads.shutdown();
    }

    private synchronized void awaitIdle(long nanos) {
      long until = System.nanoTime() + nanos;
      try {
        for (long left = nanos; active > 0 && left > 0; left = until - System.nanoTime()) {
          TimeUnit.NANOSECONDS.timedWait(this, left);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    private synchronized void count(int change) {
      active += change;
      notifyAll();
    }

    private void handle(HttpExchange exchange) throws IOException {
      count(1);
      try (exchange) {
        Answer answer = service.answer(exchange.getRequestURI().getPath());
        byte[] body = answer.body().getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", answer.type());
        if (exchange.getRequestMethod().equals("HEAD")) {
          exchange.sendResponseHeaders(answer.status(), -1);
          return;
        }
        exchange.sendResponseHeaders(answer.status(), body.length);
        exchange.getResponseBody().write(body);
      } finally {
        count(-1);
      }
    }
  }
}
