//! Calls the double through what progenitor generated, and prints a line for each case.

mod waiting;

/// What progenitor made, at compile time.
mod segmind {
    progenitor::generate_api!(
        spec = "../../generated/segmind_openapi/segmind.one-error-3.0.3.json",
        interface = Builder,
    );
}

use progenitor_client::ByteStream;
use reqwest::header::{HeaderMap, HeaderValue};
use segmind::{types, Client, Error, ResponseValue};
use std::env::var;
use std::time::Duration;
use waiting::{refused, Stop};

type Outcome = Result<String, Stop>;
type Called<T> = Result<ResponseValue<T>, Error<types::Failure>>;

const FOX: &str = "a red fox asleep in snow";

fn client(url: &str, key: &str) -> Client {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_str(key).expect("a key of ASCII characters"));
    let http = reqwest::Client::builder()
        .default_headers(headers)
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client");
    Client::new_with_client(url, http)
}

fn at_with(scenario: &str, key: &str) -> Client {
    client(&format!("{}/{scenario}", var("SEGMIND_BASE_URL").expect("SEGMIND_BASE_URL")), key)
}

fn at(scenario: &str) -> Client {
    at_with(scenario, &var("SEGMIND_API_KEY").expect("SEGMIND_API_KEY"))
}

fn cabin() -> types::builder::Imagen4Request {
    types::Imagen4Request::builder().prompt("a cabin at sunrise".parse::<types::Prompt>().unwrap())
}

fn people() -> types::NegativePrompt {
    "people".parse().unwrap()
}

fn fox() -> types::Prompt {
    FOX.parse().unwrap()
}

async fn run_for(api: &Client, deadline: Duration) -> Result<types::JobResult, Stop> {
    waiting::run(api, &cabin().try_into().unwrap(), deadline, Duration::from_millis(50)).await
}

async fn run(api: &Client) -> Result<types::JobResult, Stop> {
    run_for(api, Duration::from_secs(60)).await
}

async fn job(api: &Client) -> Outcome {
    Ok(run(api).await?.status.unwrap_or_default())
}

/// The value of a call that is made once, or the error that its response stands for.
async fn once<T>(called: Called<T>) -> Result<T, Stop> {
    match called {
        Ok(value) => Ok(value.into_inner()),
        Err(error) => {
            let (_, status, _, said) = refused(error).await;
            Err(Stop::Refused(status, said))
        }
    }
}

async fn submit(api: &Client) -> Outcome {
    Ok(once(api.submit_imagen4().body(cabin()).send().await).await?.request_id)
}

/// The body of a v1 response: an image, or JSON.
async fn generate(scenario: &str) -> Result<Vec<u8>, Stop> {
    let stream: ByteStream = once(at(scenario).generate_imagen4().body(cabin()).send().await).await?;
    let mut body = Vec::new();
    let mut stream = stream.into_inner();
    while let Some(piece) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
        body.extend_from_slice(&piece.map_err(|_| Stop::MayHaveBeenAccepted)?);
    }
    Ok(body)
}

fn state(job: types::SubmittedJob) -> String {
    job.status.unwrap_or_default()
}

fn line(name: &str, outcome: Outcome) {
    let said = outcome.unwrap_or_else(|stop| match stop {
        Stop::NotSent => "not sent".into(),
        Stop::MayHaveBeenAccepted => "may have been accepted".into(),
        Stop::TimedOut(id) if id.is_empty() => "timed out".into(),
        Stop::TimedOut(_) => "timed out, the job is known".into(),
        Stop::Refused(status, said) => format!("{status} {}", said["error"].as_str().unwrap_or_default()),
    });
    println!("{name}: {}", said.trim());
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let result = run(&at("v2")).await.expect("a result");
    line("v2 with polling", Ok(format!("{}, cost {}", result.status.unwrap(), result.metrics.unwrap().cost.unwrap())));
    let fields: types::JobResult = serde_json::from_slice(&generate("v1-json").await.expect("JSON")).expect("JSON");
    line("v1 as JSON", Ok(format!("{} image", fields.images.unwrap_or_default().len())));
    let image = generate("v1-image").await.expect("an image");
    std::fs::write(format!("{}/v1.png", std::env::args().nth(1).expect("a folder")), image).expect("saved");
    line("v1 as image bytes", Ok("saved".into()));

    let models = at("parameters");
    let body = types::ImagenRequest::builder()
        .prompt(fox())
        .aspect_ratio(types::AspectRatio::X34)
        .person_generation(types::PersonGeneration::DontAllow)
        .safety_filter_level(types::SafetyFilterLevel::BlockOnlyHigh);
    line("parameters of imagen", once(models.submit_imagen().body(body).send().await).await.map(state));
    let body = types::Imagen4Request::builder()
        .prompt(fox())
        .aspect_ratio(types::AspectRatio::X916)
        .negative_prompt(people());
    line("parameters of imagen-4", once(models.submit_imagen4().body(body).send().await).await.map(state));
    let body = types::Imagen4FastRequest::builder()
        .prompt(fox())
        .width(768)
        .height(640)
        .steps(std::num::NonZeroU64::new(30))
        .guidance_scale(8.5)
        .negative_prompt(people())
        .scheduler(types::Scheduler::EulerAncestralDiscrete)
        .seed(7);
    line("parameters of imagen-4-fast", once(models.submit_imagen4_fast().body(body).send().await).await.map(state));
    let body = types::Imagen4UltraRequest::builder()
        .prompt(fox())
        .steps(std::num::NonZeroU64::new(50))
        .guidance_scale(12.25)
        .scheduler(types::Scheduler::LmsDiscrete)
        .seed(-1)
        .aspect_ratio(types::AspectRatio::X11);
    line("parameters of imagen-4-ultra", once(models.submit_imagen4_ultra().body(body).send().await).await.map(state));

    let body = types::Imagen4FastRequest::builder().prompt(fox()).width(2048);
    line("value out of range", once(at("out-of-range").submit_imagen4_fast().body(body).send().await).await.map(state));
    line("wrong key", submit(&at_with("wrong-key", "SG_ffffffffffffffff")).await);
    line("no credits", submit(&at("no-credits")).await);
    line("failed job", job(&at("failed-job")).await);
    line("rate limit", submit(&at("rate-limit")).await);
    let api = at("unknown-status");
    let id = submit(&api).await.expect("a job");
    let status = once(api.get_job_status().request_id(types::RequestId::from(id)).send().await).await;
    line("unknown status", status.map(|job| job.status.unwrap_or_default()));
    line("unknown field", job(&at("unknown-field")).await);
    let result = run(&at("no-metrics")).await;
    line("missing metrics", result.map(|it| it.status.unwrap() + if it.metrics.is_none() { ", no metrics" } else { "" }));
    let result = run(&at("null-field")).await;
    line("null for an optional value", result.map(|it| it.status.unwrap() + if it.images.is_none() { ", no images" } else { "" }));
    line("id that is no UUID", job(&at("foreign-id")).await);
    line("HTML 502", submit(&at("html-502")).await);
    line("503", submit(&at("unavailable")).await);

    line("run after a 503", job(&at("busy")).await);
    line("run after a rate limit", job(&at("limited")).await);
    line("run without a connection", job(&client(&var("SEGMIND_CLOSED_URL").unwrap(), "SG_0")).await);
    let lost = at("lost");
    job(&lost).await.expect("a result");
    line("run with a lost response", job(&lost).await);
    line("run with an HTML 502", job(&at("gateway")).await);
    line("run with a 504", job(&at("late")).await);
    line("run with an unreadable response", job(&at("unreadable")).await);
    line("run with failing polls", job(&at("flaky-polls")).await);
    let timed_out = run_for(&at("endless"), Duration::from_millis(500)).await;
    line("run past its deadline", timed_out.map(|it| it.status.unwrap_or_default()));
}
