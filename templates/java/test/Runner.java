import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A test runner of one file: every method of a class whose name begins with "test" is a test, and fails when it
 * throws. It prints TAP, writes JUnit XML to the file that FAWKES_JUNIT names, and exits with 1 when one failed.
 * A project that needs more takes JUnit, by Maven or Gradle.
 */
public final class Runner {
  private Runner() {}

  public static void main(String[] args) throws ReflectiveOperationException, IOException {
    List<String> cases = new ArrayList<>();
    int failed = 0;
    for (String name : args) {
      Class<?> tests = Class.forName(name);
      for (Method method : tests.getDeclaredMethods()) {
        if (!method.getName().startsWith("test")) {
          continue;
        }
        long started = System.nanoTime();
        Throwable failure = run(tests, method);
        double seconds = (System.nanoTime() - started) / 1e9;
        String head = "<testcase classname=\"" + name + "\" name=\"" + method.getName() + "\" time=\"" + seconds + "\">";
        if (failure == null) {
          System.out.println("ok " + (cases.size() + 1) + " - " + method.getName());
          cases.add(head + "</testcase>");
        } else {
          failed++;
          System.out.println("not ok " + (cases.size() + 1) + " - " + method.getName() + "\n# " + failure);
          cases.add(head + "<failure message=\"" + escaped(String.valueOf(failure.getMessage())) + "\">" + escaped(failure.toString()) + "</failure></testcase>");
        }
      }
    }
    System.out.println("1.." + cases.size());
    String file = System.getenv("FAWKES_JUNIT");
    if (file != null && !file.isEmpty()) {
      Files.writeString(Path.of(file), "<testsuite name=\"" + String.join(" ", args) + "\">\n" + String.join("\n", cases) + "\n</testsuite>\n");
    }
    System.exit(failed > 0 || cases.isEmpty() ? 1 : 0);
  }

  private static Throwable run(Class<?> tests, Method method) throws ReflectiveOperationException {
    method.setAccessible(true);
    try {
      method.invoke(tests.getDeclaredConstructor().newInstance());
      return null;
    } catch (InvocationTargetException e) {
      return e.getCause();
    }
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
  }

  /** Fails the test unless the two are equal. */
  static void equal(Object want, Object got, String what) {
    if (!want.equals(got)) {
      throw new AssertionError(what + ": want " + want + ", got " + got);
    }
  }

  /** Fails the test unless the text has the part. */
  static void contains(String part, String text) {
    if (!text.contains(part)) {
      throw new AssertionError("want " + part + " in: " + text);
    }
  }
}
