//! What a generator cannot know: how to wait for a job, and what may be sent again without paying twice.

use crate::segmind::{types, Client, Error, ResponseValue};
use chrono::DateTime;
use reqwest::header::HeaderMap;
use serde_json::{to_value, Value};
use std::future::Future;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub enum Stop { NotSent, MayHaveBeenAccepted, TimedOut(String), Refused(u16, Value) }

pub async fn run(api: &Client, body: &types::Imagen4Request, deadline: Duration, interval: Duration) -> Result<types::JobResult, Stop> {
    let end = Instant::now() + deadline;
    let id = call("", end, || api.submit_imagen4().body(body.clone()).send()).await?.request_id;
    while call(&id, end, || api.get_job_status().request_id(id.clone()).send()).await?.status.as_deref() != Some("COMPLETED") {
        if Instant::now() > end {
            return Err(Stop::TimedOut(id));
        }
        tokio::time::sleep(interval).await;
    }
    call(&id, end, || api.get_job_result().request_id(id.clone()).send()).await
}

/// Without an id, the call is a POST.
async fn call<T, F>(id: &str, end: Instant, mut send: impl FnMut() -> F) -> Result<T, Stop>
where
    F: Future<Output = Result<ResponseValue<T>, Error<types::Failure>>>,
{
    let (mut attempt, post) = (0, id.is_empty());
    loop {
        attempt += 1;
        let (unsent, status, headers, said) = match send().await {
            Ok(value) => return Ok(value.into_inner()),
            Err(error) => refused(error).await,
        };
        let failed = status < 400 || status == 429 || status >= 500;
        let own = said["error"].is_string() && said["request_id"].is_null() && said["cost"].is_null();
        if post && failed && !unsent && !(own && [429, 500, 502, 503].contains(&status)) {
            return Err(Stop::MayHaveBeenAccepted);
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let wait = match (DateTime::parse_from_rfc3339(text("x-rate-limit-reset-at-utc")), DateTime::parse_from_rfc2822(text("date"))) {
            (Ok(reset), Ok(now)) if status == 429 => (reset - now).to_std().unwrap_or_default(),
            _ => Duration::from_millis(fastrand::u64(0..250 << attempt.min(7))),
        };
        let late = Instant::now() + wait > end;
        if (!failed && (post || status != 408)) || (post && (late || attempt == 4)) {
            return Err(if unsent { Stop::NotSent } else { Stop::Refused(status, said) });
        } else if late {
            return Err(Stop::TimedOut(id.into()));
        }
        tokio::time::sleep(wait).await;
    }
}

/// Whether a failed call was never sent, and its status, headers and JSON. 0: the response was lost or cannot be read.
pub async fn refused(error: Error<types::Failure>) -> (bool, u16, HeaderMap, Value) {
    match error {
        Error::ErrorResponse(r) => (false, r.status().as_u16(), r.headers().clone(), to_value(&*r).unwrap_or_default()),
        Error::UnexpectedResponse(r) => (false, r.status().as_u16(), r.headers().clone(), r.json().await.unwrap_or_default()),
        error => (matches!(&error, Error::CommunicationError(e) if e.is_connect()), 0, HeaderMap::new(), Value::Null),
    }
}
