import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import segmind.ApiClient;
import segmind.ApiException;
import segmind.api.GenerationsApi;
import segmind.api.JobsApi;
import segmind.model.*;

/** Calls the double through what openapi-generator made, and prints a line for each case. */
final class Main {
    interface Outcome { String get() throws Exception; }

    static final String BASE = System.getenv("SEGMIND_BASE_URL");
    static final String KEY = System.getenv("SEGMIND_API_KEY");
    static final ObjectMapper JSON = ApiClient.createDefaultObjectMapper();
    static final Imagen4Request CABIN = new Imagen4Request().prompt("a cabin at sunrise");
    static final String FOX = "a red fox asleep in snow";

    static ApiClient client(String url, String key) {
        ApiClient client = new ApiClient();
        client.updateBaseUri(url);
        client.setRequestInterceptor(request -> request.header("x-api-key", key));
        client.setConnectTimeout(Duration.ofSeconds(10));
        client.setReadTimeout(Duration.ofSeconds(30));
        return client;
    }

    static JobsApi at(String scenario) {
        return new JobsApi(client(BASE + "/" + scenario, KEY));
    }

    static JobResult run(JobsApi api, Duration deadline) throws Exception {
        return Waiting.run(api, () -> api.submitImagen4(CABIN), deadline, Duration.ofMillis(50));
    }

    static JobResult run(JobsApi api) throws Exception {
        return run(api, Duration.ofMinutes(1));
    }

    static String submit(JobsApi api) throws Exception {
        return api.submitImagen4(CABIN).getRequestId();
    }

    static void line(String name, Outcome outcome) {
        String said;
        try {
            said = outcome.get();
        } catch (Waiting.MayHaveBeenAccepted e) {
            said = "may have been accepted";
        } catch (Waiting.NotSent e) {
            said = "not sent";
        } catch (Waiting.TimedOut e) {
            said = "timed out, the job is known";
        } catch (ApiException e) {
            said = said(e);
        } catch (Exception e) {
            said = "failed: " + e;
        }
        System.out.println(name + ": " + said);
    }

    /** The status of a response and what the service said, read through the generated type of the error. */
    static String said(ApiException e) {
        try {
            return e.getCode() + " " + JSON.readValue(e.getResponseBody(), ErrorBody.class).getError();
        } catch (Exception notJson) {
            return e.getCode() == 0 ? "failed: " + e : String.valueOf(e.getCode());
        }
    }

    public static void main(String[] arguments) throws Exception {
        line("v2 with polling", () -> {
            JobResult result = run(at("v2"));
            return result.getStatus() + ", cost " + result.getMetrics().getCost();
        });
        line("v1 as JSON", () -> {
            Path file = new GenerationsApi(client(BASE + "/v1-json", KEY)).generateImagen4(CABIN).toPath();
            return JSON.readValue(file.toFile(), JobResult.class).getImages().size() + " image";
        });
        line("v1 as image bytes", () -> {
            Path file = new GenerationsApi(client(BASE + "/v1-image", KEY)).generateImagen4(CABIN).toPath();
            Files.move(file, Path.of(arguments[0], "v1.png"), StandardCopyOption.REPLACE_EXISTING);
            return "saved";
        });
        JobsApi models = at("parameters");
        line("parameters of imagen", () -> models.submitImagen(new ImagenRequest().prompt(FOX)
                .aspectRatio(AspectRatio.PORTRAIT_3_4).personGeneration(PersonGeneration.DONT_ALLOW)
                .safetyFilterLevel(SafetyFilterLevel.BLOCK_ONLY_HIGH)).getStatus());
        line("parameters of imagen-4", () -> models.submitImagen4(new Imagen4Request().prompt(FOX)
                .aspectRatio(AspectRatio.PORTRAIT_9_16).negativePrompt("people")).getStatus());
        line("parameters of imagen-4-fast", () -> models.submitImagen4Fast(new Imagen4FastRequest().prompt(FOX)
                .width(768).height(640).steps(30).guidanceScale(8.5).negativePrompt("people")
                .scheduler(Scheduler.EULER_ANCESTRAL_DISCRETE).seed(7)).getStatus());
        line("parameters of imagen-4-ultra", () -> models.submitImagen4Ultra(new Imagen4UltraRequest().prompt(FOX)
                .steps(50).guidanceScale(12.25).scheduler(Scheduler.LMS_DISCRETE).seed(-1)
                .aspectRatio(AspectRatio.SQUARE_1_1)).getStatus());
        line("value out of range", () -> at("out-of-range")
                .submitImagen4Fast(new Imagen4FastRequest().prompt(FOX).width(2048)).getStatus());
        line("wrong key", () -> submit(new JobsApi(client(BASE + "/wrong-key", "SG_ffffffffffffffff"))));
        line("no credits", () -> submit(at("no-credits")));
        line("failed job", () -> run(at("failed-job")).getStatus());
        line("rate limit", () -> submit(at("rate-limit")));
        line("unknown status", () -> {
            JobsApi api = at("unknown-status");
            return api.getJobStatus(submit(api)).getStatus();
        });
        line("unknown field", () -> run(at("unknown-field")).getStatus());
        line("missing metrics", () -> {
            JobResult result = run(at("no-metrics"));
            return result.getStatus() + (result.getMetrics() == null ? ", no metrics" : ", metrics");
        });
        line("null for an optional value", () -> {
            JobResult result = run(at("null-field"));
            return result.getStatus() + (result.getImages() == null ? ", no images" : ", images");
        });
        line("id that is no UUID", () -> run(at("foreign-id")).getStatus());
        line("HTML 502", () -> submit(at("html-502")));
        line("503", () -> submit(at("unavailable")));

        line("run after a 503", () -> run(at("busy")).getStatus());
        line("run after a rate limit", () -> run(at("limited")).getStatus());
        line("run without a connection", () ->
                run(new JobsApi(client(System.getenv("SEGMIND_CLOSED_URL"), KEY))).getStatus());
        JobsApi lost = at("lost");
        run(lost);
        line("run with a lost response", () -> run(lost).getStatus());
        line("run with an HTML 502", () -> run(at("gateway")).getStatus());
        line("run with a 504", () -> run(at("late")).getStatus());
        line("run with an unreadable response", () -> run(at("unreadable")).getStatus());
        line("run with failing polls", () -> run(at("flaky-polls")).getStatus());
        line("run past its deadline", () -> run(at("endless"), Duration.ofMillis(500)).getStatus());
    }
}
