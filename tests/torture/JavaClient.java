// Java's own HttpClient, as it comes: POST, PUT and an event stream. Arguments: the service's URL, a
// model's id, and the id of a job that waits. Each check prints a line; a failed one ends the program.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.stream.Collectors;

public class JavaClient {
    static final HttpClient client = HttpClient.newHttpClient(); // asks for HTTP/2 by Upgrade: h2c
    static String url;

    public static void main(String[] arguments) throws Exception {
        url = arguments[0];
        String model = arguments[1];
        String job = arguments[2];
        String spec = "{\"name\": \"from java\", \"training\": {\"epochs\": 7}}";
        for (int time = 0; time < 20; time++) { // the first, and those on a connection that is kept
            expect("POST", send("POST", "/jobs", BodyPublishers.ofString(spec)), 201, "\"name\":\"from java\"");
        }
        expect("POST in chunks", send("POST", "/jobs", BodyPublishers.fromPublisher(BodyPublishers.ofString(spec))),
                201, "\"epochs\":7");
        expect("POST without a body", send("POST", "/jobs/validate", BodyPublishers.noBody()), 200, "\"name\":\"reference\"");
        String large = "{\"name\": \"" + "x".repeat(500_000) + "\"}";
        expect("large POST", send("POST", "/jobs/validate", BodyPublishers.ofString(large)), 422, "/name");
        String target = "{\"model\": \"" + model + "\"}";
        expect("PUT", send("PUT", "/models/aliases/java", BodyPublishers.ofString(target)), 200, model);
        String row = "0,".repeat(783) + "0";
        expect("predict", send("POST", "/predict", BodyPublishers.ofString("{\"inputs\": [[" + row + "]]}")), 200, model);
        HttpRequest asked = request("/jobs/" + job + "/events").header("Accept", "text/event-stream").build();
        HttpResponse<java.util.stream.Stream<String>> stream = client.send(asked, BodyHandlers.ofLines());
        expect("stream begins", stream.statusCode(), "", 200, "");
        List<String> lines = stream.body().peek(line -> {
            if (line.equals("id: 1")) { // cancelled over a second connection, while the first one streams
                try {
                    expect("cancel", send("POST", "/jobs/" + job + "/cancel", BodyPublishers.noBody()), 200, "cancelled");
                } catch (Exception error) {
                    throw new RuntimeException(error);
                }
            }
        }).collect(Collectors.toList()); // until the service ends the stream
        expect("stream ends", 200, String.join("\n", lines), 200, "\"status\":\"cancelled\"");
        System.out.println("done");
    }

    static HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(url + path)).header("Content-Type", "application/json");
    }

    static HttpResponse<String> send(String method, String path, HttpRequest.BodyPublisher body) throws Exception {
        HttpRequest.Builder builder = HttpRequest.newBuilder(URI.create(url + path));
        if (body.contentLength() != 0) {
            builder.header("Content-Type", "application/json");
        }
        return client.send(builder.method(method, body).build(), BodyHandlers.ofString());
    }

    static void expect(String what, HttpResponse<String> answer, int status, String part) {
        expect(what, answer.statusCode(), answer.body(), status, part);
    }

    static void expect(String what, int is, String body, int status, String part) {
        if (is != status || !body.contains(part)) {
            System.out.println(what + ": " + is + ", not " + status + " with " + part + ": " + body);
            System.exit(1);
        }
        System.out.println(what);
    }
}
