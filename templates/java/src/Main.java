import java.io.IOException;

/** The program: it serves until it is told to stop. */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    try {
      Service.Running running = new Service.Running(Settings.read(System.getenv()));
      Runtime.getRuntime().addShutdownHook(new Thread(running::stop));
      System.err.println("{\"level\":\"INFO\",\"msg\":\"serving\",\"address\":\":" + running.port() + "\"}");
    } catch (IllegalArgumentException | IOException e) {
      System.err.println("template-service: " + e.getMessage());
      System.exit(1);
    }
  }
}
