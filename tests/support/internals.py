"""What the tests use of the client beyond its public names: where they change when its modules do."""

from __future__ import annotations

from segmind_client import (
    async_clients,
    clients,
    connections,
    downloads,
    drivers,
    formats,
    jobs,
    masking,
    operations,
    pool,
    reading,
    retry,
    savable,
    sinks,
    steps,
    threads,
    urls,
    vendor,
)
from segmind_client.call import Call
from segmind_client.clock import Clock, EventLoopClock, SystemClock
from segmind_client.connections import tls_context
from segmind_client.custom import CustomAsyncSender, CustomSender
from segmind_client.decoding import decoded
from segmind_client.downloads import fetch
from segmind_client.drivers import AsyncDriver, SyncDriver
from segmind_client.file_sink import FileSink, safe_name
from segmind_client.formats import BY_EXTENSION, FORMATS, LARGEST, Format, format_of
from segmind_client.line import CAUTIOUS_SECONDS, CONNECTIONS, HEARTBEAT_SECONDS, RESERVED, Line, Rank, Turn
from segmind_client.masking import MOST_KEYS, Secret, masked
from segmind_client.operations import Submission
from segmind_client.options import OptionChanges, Options
from segmind_client.polling import (
    DURATIONS_KEPT,
    ENOUGH,
    LONGEST,
    LONGEST_OF_ALL,
    MODELS_KEPT,
    PRICE_OF_A_POLL,
    SHORTEST,
    SPARING_SHARE,
    Latencies,
    PollSchedule,
    best_times,
    duration,
)
from segmind_client.pool import Idle
from segmind_client.reading import job_in_part, may_have_been_accepted
from segmind_client.results import GenerationFields
from segmind_client.savable import AsyncSavable
from segmind_client.settings import BASE_URL_VARIABLE
from segmind_client.sinks import MemorySink
from segmind_client.steps import (
    BODY_SECONDS,
    LARGEST_BODY,
    WRITE_SECONDS,
    Fetch,
    Flow,
    Pause,
    RequestBody,
    Send,
    Sent,
    Times,
)
from segmind_client.transport import AsyncSender, Sender
from segmind_client.urls import trusted_prefixes


class Caller(retry.Caller):
    """The client's `Caller`, with its flows as methods."""

    run = jobs.run
    wait = jobs.wait
    watch = jobs.watch_job
    update = jobs.update
    generate = operations.generate
    submit = operations.submit
    status = operations.status
    result = operations.result
    credits = operations.balance


times_of = Send.times

__all__ = [
    "BASE_URL_VARIABLE",
    "BODY_SECONDS",
    "BY_EXTENSION",
    "CAUTIOUS_SECONDS",
    "CONNECTIONS",
    "DURATIONS_KEPT",
    "ENOUGH",
    "FORMATS",
    "HEARTBEAT_SECONDS",
    "LARGEST",
    "LARGEST_BODY",
    "LONGEST",
    "LONGEST_OF_ALL",
    "MODELS_KEPT",
    "MOST_KEYS",
    "PRICE_OF_A_POLL",
    "RESERVED",
    "SHORTEST",
    "SPARING_SHARE",
    "WRITE_SECONDS",
    "AsyncDriver",
    "AsyncSavable",
    "AsyncSender",
    "Call",
    "Caller",
    "Clock",
    "CustomAsyncSender",
    "CustomSender",
    "EventLoopClock",
    "Fetch",
    "FileSink",
    "Flow",
    "Format",
    "GenerationFields",
    "Idle",
    "Latencies",
    "Line",
    "MemorySink",
    "OptionChanges",
    "Options",
    "Pause",
    "PollSchedule",
    "Rank",
    "RequestBody",
    "Secret",
    "Send",
    "Sender",
    "Sent",
    "Submission",
    "SyncDriver",
    "SystemClock",
    "Times",
    "Turn",
    "async_clients",
    "best_times",
    "clients",
    "connections",
    "decoded",
    "downloads",
    "drivers",
    "duration",
    "fetch",
    "format_of",
    "formats",
    "job_in_part",
    "jobs",
    "masked",
    "masking",
    "may_have_been_accepted",
    "operations",
    "pool",
    "reading",
    "retry",
    "safe_name",
    "savable",
    "sinks",
    "steps",
    "threads",
    "times_of",
    "tls_context",
    "trusted_prefixes",
    "urls",
    "vendor",
]
