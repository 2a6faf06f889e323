import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.*;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;
import java.time.*;
import java.time.format.DateTimeFormatter;
import java.util.Set;
import segmind.ApiException;
import segmind.api.JobsApi;
import segmind.model.*;

/** What a generator cannot know: how to wait for a job, and what may be sent again without paying twice. */
final class Waiting {
    static class NotSent extends Exception {}
    static class MayHaveBeenAccepted extends Exception {}
    static class TimedOut extends Exception {}
    interface Call<T> { T call() throws ApiException; }

    static JobResult run(JobsApi api, Call<SubmittedJob> submit, Duration deadline, Duration interval) throws Exception {
        long end = System.nanoTime() + deadline.toNanos();
        SubmittedJob job = call(submit, true, end);
        if (job == null || job.getRequestId() == null) throw new MayHaveBeenAccepted();
        while (!"COMPLETED".equals(call(() -> api.getJobStatus(job.getRequestId()), false, end).getStatus())) {
            if (System.nanoTime() > end) throw new TimedOut();
            Thread.sleep(interval.toMillis());
        }
        return call(() -> api.getJobResult(job.getRequestId()), false, end);
    }

    private static <T> T call(Call<T> call, boolean post, long end) throws Exception {
        for (int attempt = 1; ; attempt++) {
            try {
                return call.call();
            } catch (ApiException e) {
                int code = e.getCode();
                boolean unsent = e.getCause() instanceof ConnectException || e.getCause() instanceof HttpConnectTimeoutException;
                // 0: the response was lost or cannot be read. A proxy's error says nothing about the job.
                boolean failed = code < 400 || code == 429 || code >= 500;
                boolean own = Set.of(429, 500, 502, 503).contains(code) && isOwn(e.getResponseBody());
                if (post && failed && !unsent && !own) throw new MayHaveBeenAccepted();
                long wait = code == 429 ? untilReset(e) : (long) (Math.random() * (250 << Math.min(attempt, 7)));
                boolean late = System.nanoTime() + wait * 1_000_000 > end;
                if (!failed && (post || code != 408) || post && (late || attempt == 4)) throw unsent ? new NotSent() : e;
                if (late) throw new TimedOut();
                Thread.sleep(wait);
            }
        }
    }

    private static long untilReset(ApiException e) {
        Instant reset = Instant.parse(e.getResponseHeaders().firstValue("x-rate-limit-reset-at-utc").orElseThrow());
        String now = e.getResponseHeaders().firstValue("date").orElseThrow();
        return Duration.between(DateTimeFormatter.RFC_1123_DATE_TIME.parse(now, Instant::from), reset).toMillis();
    }

    /** Whether an error is the service's own, and names no job and no cost. */
    private static boolean isOwn(String body) {
        try {
            JsonNode said = new ObjectMapper().readTree(String.valueOf(body));
            return said.path("error").isTextual() && !said.has("request_id") && !said.has("cost");
        } catch (JsonProcessingException e) {
            return false;
        }
    }
}
