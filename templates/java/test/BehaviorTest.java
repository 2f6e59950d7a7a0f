import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Starts the packed program and looks at it as its users do: over HTTP, from outside. */
final class BehaviorTest {
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  /** A running copy of the program, on a free port that its log names. */
  private record Program(Process process, String url) implements AutoCloseable {
    static Program start(Map<String, String> env) throws IOException {
      String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
      ProcessBuilder builder = new ProcessBuilder(java, "-jar", "build/libs/service.jar");
      builder.environment().putAll(Map.of("PORT", "0", "ENVIRONMENT", "behavior"));
      builder.environment().putAll(env);
      Process process = builder.start();
      BufferedReader log = new BufferedReader(new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8));
      for (String line = log.readLine(); line != null; line = log.readLine()) {
        int at = line.indexOf("\"address\":\":");
        if (at >= 0) {
          return new Program(process, "http://127.0.0.1" + line.substring(at + 11, line.lastIndexOf('"')));
        }
      }
      throw new IOException("the program ended before it served");
    }

    HttpResponse<String> get(String path) throws IOException, InterruptedException {
      HttpRequest request = HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofSeconds(10)).build();
      return CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
    }

    @Override
    public void close() {
      process.destroyForcibly();
    }
  }

  void testAVisitorSeesWhereTheyAre() throws Exception {
    try (Program p = Program.start(Map.of())) {
      HttpResponse<String> page = p.get("/");
      Runner.equal(200, page.statusCode(), "status");
      Runner.contains("behavior", page.body());
    }
  }

  void testTheSwitchMakesItUnhealthy() throws Exception {
    try (Program p = Program.start(Map.of("HEALTH", "failing"))) {
      Runner.equal(503, p.get("/readyz").statusCode(), "status");
    }
  }

  void testItStopsWhenItIsTold() throws Exception {
    try (Program p = Program.start(Map.of())) {
      p.process().destroy();
      Runner.equal(true, p.process().waitFor(20, TimeUnit.SECONDS), "ended");
      Runner.equal(143, p.process().exitValue(), "exit code of a JVM that SIGTERM stopped");
    }
  }
}
