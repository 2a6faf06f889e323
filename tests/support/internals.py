"""What the tests use of the client beyond its public names: where they change when its modules do."""

from __future__ import annotations

from segmind_client import clients, downloads, drivers, formats, masking, network, reading, results, vendor
from segmind_client.clients import BASE_URL_VARIABLE
from segmind_client.clock import Clock, EventLoopClock, SystemClock
from segmind_client.downloads import FileSink, Image, MemorySink, fetch
from segmind_client.drivers import BODY_SECONDS, WRITE_SECONDS, AsyncDriver, SyncDriver, times_of
from segmind_client.flows import Call, Caller, Submission
from segmind_client.formats import BY_EXTENSION, FORMATS, Format, format_of
from segmind_client.line import CAUTIOUS_SECONDS, CONNECTIONS, HEARTBEAT_SECONDS, RESERVED, Line, Rank, Turn
from segmind_client.masking import MOST_KEYS, Secret, masked
from segmind_client.network import Idle, Times, decoded, tls_context
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
from segmind_client.reading import job_in_part, may_have_been_accepted, trusted_prefixes
from segmind_client.results import AsyncSavable, GenerationFields
from segmind_client.steps import LARGEST_BODY, LARGEST_IMAGE_BODY, Flow, Pause, RequestBody, Send, Sent
from segmind_client.transport import AsyncSender, CustomAsyncSender, CustomSender, Sender

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
    "LARGEST_BODY",
    "LARGEST_IMAGE_BODY",
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
    "FileSink",
    "Flow",
    "Format",
    "GenerationFields",
    "Idle",
    "Image",
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
    "best_times",
    "clients",
    "decoded",
    "downloads",
    "drivers",
    "duration",
    "fetch",
    "format_of",
    "formats",
    "job_in_part",
    "masked",
    "masking",
    "may_have_been_accepted",
    "network",
    "reading",
    "results",
    "times_of",
    "tls_context",
    "trusted_prefixes",
    "vendor",
]
