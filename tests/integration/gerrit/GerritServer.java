import com.google.gerrit.pgm.Daemon;
import com.google.gerrit.pgm.Init;
import java.util.Arrays;

/** `init ...` or `daemon ...`, as `java -jar gerrit.war` would do it. */
public class GerritServer {
  public static void main(String[] arguments) throws Exception {
    String[] rest = Arrays.copyOfRange(arguments, 1, arguments.length);
    boolean isInit = arguments[0].equals("init");
    System.exit(isInit ? new Init().main(rest) : new Daemon().main(rest));
  }
}
