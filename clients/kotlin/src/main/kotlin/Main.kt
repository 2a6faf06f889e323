import com.fasterxml.jackson.module.kotlin.readValue
import java.io.File
import java.time.Duration
import okhttp3.OkHttpClient
import segmind.apis.GenerationsApi
import segmind.apis.JobsApi
import segmind.infrastructure.ApiResponse
import segmind.infrastructure.Serializer
import segmind.infrastructure.Success
import segmind.models.*

// Calls the double through what openapi-generator made, and prints a line for each case.

const val FOX = "a red fox asleep in snow"
val BASE: String = System.getenv("SEGMIND_BASE_URL")
val CABIN = Imagen4Request(prompt = "a cabin at sunrise")

fun http(key: String): OkHttpClient = OkHttpClient.Builder()
    .retryOnConnectionFailure(false)
    .callTimeout(Duration.ofSeconds(30))
    .addInterceptor { it.proceed(it.request().newBuilder().header("x-api-key", key).build()) }
    .build()

val HTTP = http(System.getenv("SEGMIND_API_KEY"))

fun at(scenario: String, client: OkHttpClient = HTTP) = JobsApi("$BASE/$scenario", client)

fun run(api: JobsApi, deadline: Duration = Duration.ofMinutes(1)) = run(api, CABIN, deadline, Duration.ofMillis(50))

/** The value of a call that is made once. */
fun <T> once(response: ApiResponse<T>): T =
    if (response is Success<T>) response.data else throw Refused(response.statusCode, said(response))

fun submit(api: JobsApi): String = once(api.submitImagen4WithHttpInfo(CABIN))!!.requestId

fun generate(scenario: String): File = GenerationsApi("$BASE/$scenario", HTTP).generateImagen4(CABIN)

fun line(name: String, outcome: () -> String?) {
    val said = try {
        outcome()
    } catch (_: MayHaveBeenAccepted) {
        "may have been accepted"
    } catch (_: NotSent) {
        "not sent"
    } catch (_: TimedOut) {
        "timed out, the job is known"
    } catch (e: Refused) {
        "${e.status} ${e.body?.get("error") ?: ""}".trim()
    } catch (e: Exception) {
        "failed: $e"
    }
    println("$name: $said")
}

fun main(arguments: Array<String>) {
    line("v2 with polling") { run(at("v2")).let { "${it.status}, cost ${it.metrics?.cost}" } }
    line("v1 as JSON") {
        val result = Serializer.jacksonObjectMapper.readValue<JobResult>(generate("v1-json"))
        "${result.images?.size} image"
    }
    line("v1 as image bytes") {
        generate("v1-image").copyTo(File(arguments[0], "v1.png"), overwrite = true)
        "saved"
    }
    val models = at("parameters")
    line("parameters of imagen") {
        once(models.submitImagenWithHttpInfo(ImagenRequest(
            prompt = FOX, aspectRatio = AspectRatio.PORTRAIT_3_4, personGeneration = PersonGeneration.DONT_ALLOW,
            safetyFilterLevel = SafetyFilterLevel.BLOCK_ONLY_HIGH,
        )))?.status
    }
    line("parameters of imagen-4") {
        once(models.submitImagen4WithHttpInfo(Imagen4Request(
            prompt = FOX, aspectRatio = AspectRatio.PORTRAIT_9_16, negativePrompt = "people",
        )))?.status
    }
    line("parameters of imagen-4-fast") {
        once(models.submitImagen4FastWithHttpInfo(Imagen4FastRequest(
            prompt = FOX, width = 768, height = 640, steps = 30, guidanceScale = 8.5, negativePrompt = "people",
            scheduler = Scheduler.EulerAncestralDiscrete, seed = 7,
        )))?.status
    }
    line("parameters of imagen-4-ultra") {
        once(models.submitImagen4UltraWithHttpInfo(Imagen4UltraRequest(
            prompt = FOX, steps = 50, guidanceScale = 12.25, scheduler = Scheduler.LMSDiscrete, seed = -1,
            aspectRatio = AspectRatio.SQUARE_1_1,
        )))?.status
    }
    line("value out of range") {
        once(at("out-of-range").submitImagen4FastWithHttpInfo(Imagen4FastRequest(prompt = FOX, width = 2048)))?.status
    }
    line("wrong key") { submit(at("wrong-key", http("SG_ffffffffffffffff"))) }
    line("no credits") { submit(at("no-credits")) }
    line("failed job") { run(at("failed-job")).status }
    line("rate limit") { submit(at("rate-limit")) }
    line("unknown status") { at("unknown-status").let { once(it.getJobStatusWithHttpInfo(submit(it)))?.status } }
    line("unknown field") { run(at("unknown-field")).status }
    line("missing metrics") { run(at("no-metrics")).let { it.status + if (it.metrics == null) ", no metrics" else ", metrics" } }
    line("null for an optional value") { run(at("null-field")).let { it.status + if (it.images == null) ", no images" else ", images" } }
    line("id that is no UUID") { run(at("foreign-id")).status }
    line("HTML 502") { submit(at("html-502")) }
    line("503") { submit(at("unavailable")) }

    line("run after a 503") { run(at("busy")).status }
    line("run after a rate limit") { run(at("limited")).status }
    line("run without a connection") { run(JobsApi(System.getenv("SEGMIND_CLOSED_URL"), HTTP)).status }
    val lost = at("lost")
    run(lost)
    line("run with a lost response") { run(lost).status }
    line("run with an HTML 502") { run(at("gateway")).status }
    line("run with a 504") { run(at("late")).status }
    line("run with an unreadable response") { run(at("unreadable")).status }
    line("run with failing polls") { run(at("flaky-polls")).status }
    line("run past its deadline") { run(at("endless"), Duration.ofMillis(500)).status }
}
