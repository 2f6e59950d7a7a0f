import java.util.Map;

/** What the environment says. */
record Settings(int port, String version, String environment, boolean healthy) {

  /** Reads the environment; a wrong value is an IllegalArgumentException that names it. */
  static Settings read(Map<String, String> env) {
    String text = or(env.get("PORT"), "8080");
    int port;
    try {
      port = Integer.parseInt(text);
    } catch (NumberFormatException e) {
      port = -1;
    }
    if (port < 0 || port > 65535) {
      throw new IllegalArgumentException("PORT: \"" + text + "\" is not a port: give a number from 0 to 65535");
    }
    return new Settings(port, or(env.get("VERSION"), "unknown"), or(env.get("ENVIRONMENT"), "local"), !"failing".equals(env.get("HEALTH")));
  }

  private static String or(String text, String otherwise) {
    return text == null || text.isEmpty() ? otherwise : text;
  }
}
