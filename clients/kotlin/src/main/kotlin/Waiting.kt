import java.io.IOException
import java.net.ConnectException
import java.net.UnknownHostException
import java.time.Duration
import java.time.Instant
import java.time.format.DateTimeFormatter
import kotlin.random.Random
import segmind.apis.JobsApi
import segmind.infrastructure.*
import segmind.models.Imagen4Request
import segmind.models.JobResult

// What a generator cannot know: how to wait for a job, and what may be sent again without paying twice.
// Build the OkHttpClient with retryOnConnectionFailure(false): OkHttp repeats a POST by itself otherwise.

class NotSent : Exception()
class MayHaveBeenAccepted : Exception()
class TimedOut : Exception()
class Refused(val status: Int, val body: Map<*, *>?) : Exception("status $status")

fun run(api: JobsApi, body: Imagen4Request, deadline: Duration, interval: Duration): JobResult {
    val end = System.nanoTime() + deadline.toNanos()
    val id = call(end, post = true) { api.submitImagen4WithHttpInfo(body) }!!.requestId
    while (call(end) { api.getJobStatusWithHttpInfo(id) }?.status != "COMPLETED") {
        if (System.nanoTime() > end) throw TimedOut()
        Thread.sleep(interval.toMillis())
    }
    return call(end) { api.getJobResultWithHttpInfo(id) }!!
}

/** Repeats a GET until the deadline, and a POST three times at most where that cannot pay twice. */
fun <T> call(end: Long, post: Boolean = false, send: () -> ApiResponse<T>): T {
    for (attempt in 1..Int.MAX_VALUE) {
        var unsent = false
        val response = try {
            send().also { if (it is Success<T> && it.data != null) return it.data }
        } catch (e: IOException) {
            unsent = e is ConnectException || e is UnknownHostException
            null
        }
        val status = response?.statusCode ?: 0 // 0: the response was lost or cannot be read
        val said = said(response)
        val own = said?.get("error") is String && said["request_id"] == null && said["cost"] == null
        val failed = status < 400 || status == 429 || status >= 500
        if (post && failed && !unsent && !(own && status in setOf(429, 500, 502, 503))) throw MayHaveBeenAccepted()
        val header = { name: String -> response?.headers?.entries?.find { it.key.equals(name, true) }?.value?.first() }
        val wait = if (status != 429) Random.nextLong(250L shl minOf(attempt, 7)) else Duration.between(
            DateTimeFormatter.RFC_1123_DATE_TIME.parse(header("date"), Instant::from), Instant.parse(header("x-rate-limit-reset-at-utc")),
        ).toMillis()
        val late = System.nanoTime() + wait * 1_000_000 > end
        if (!failed && (post || status != 408) || post && (late || attempt == 4)) throw if (unsent) NotSent() else Refused(status, said)
        if (late) throw TimedOut()
        Thread.sleep(maxOf(0, wait))
    }
    error("unreachable")
}

/** The JSON of an error. A proxy's error has none, and says nothing about the job. */
fun said(response: ApiResponse<*>?): Map<*, *>? {
    val body = (response as? ClientError<*>)?.body ?: (response as? ServerError<*>)?.body
    return runCatching { Serializer.jacksonObjectMapper.readValue(body.toString(), Map::class.java) }.getOrNull()
}
