import java.nio.file.Path;
import java.util.Map;
import org.neo4j.dbms.api.DatabaseManagementService;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;

/**
 * Serves Neo4j Community over Bolt: `Server HOME [PID]`, with the settings in HOME/neo4j.conf and, in the environment, the
 * password that the user neo4j is to have. Ends when it is told to, or when the process PID does.
 */
public final class Server {
    public static void main(String[] arguments) throws InterruptedException {
        // Other threads would keep a half-started server alive.
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> {
            error.printStackTrace();
            System.exit(1);
        });
        if (arguments.length > 1) {
            ProcessHandle.of(Long.parseLong(arguments[1])).orElseThrow().onExit().thenRun(() -> System.exit(0));
        }
        Path home = Path.of(arguments[0]);
        DatabaseManagementService service = new DatabaseManagementServiceBuilder(home)
                .loadPropertiesFromFile(home.resolve("neo4j.conf"))
                .build();
        Runtime.getRuntime().addShutdownHook(new Thread(service::shutdown));
        String password = System.getenv("LIN_NEO4J_PASSWORD");
        if (password != null) {
            service.database("system").executeTransactionally(
                    "CREATE OR REPLACE USER neo4j SET PLAINTEXT PASSWORD $password CHANGE NOT REQUIRED", Map.of("password", password));
        }
        System.out.println("ready");
        Thread.currentThread().join();
    }
}
