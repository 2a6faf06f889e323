"""A client of Segmind's image API that pays for nothing twice and loses nothing it paid for.

    from segmind_client import Client

    with Client() as segmind:
        result = segmind.run(slug, prompt="a cabin at sunrise")

`Client` and `AsyncClient` are the same, sync and async. The names of the vendor's own package (`run`,
`run_sync`, `submit_async`, `SegmindClient`) work here too. All errors are `SegmindError`s.
"""

from __future__ import annotations

from importlib import import_module

# As typing has it; importing typing takes ten times as long as the rest of this module.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from segmind_client import errors, exceptions
    from segmind_client.async_clients import AsyncClient, AsyncJobHandle
    from segmind_client.clients import Client, JobHandle
    from segmind_client.errors import (
        BadGateway,
        BadRequest,
        ClientUnusable,
        ConnectionLost,
        DownloadFailed,
        FileExists,
        Forbidden,
        ForeignURL,
        GatewayTimeout,
        InferenceFailed,
        InferenceTimeout,
        InsufficientCredits,
        InvalidParameter,
        MayHaveBeenAccepted,
        MethodNotAllowed,
        MissingKey,
        ModelRetired,
        NoImage,
        NoOutput,
        NotFound,
        NotSaved,
        NotSent,
        RateLimited,
        SegmindError,
        ServerError,
        StatusError,
        Unauthorized,
        UnreadableField,
        UnreadableResponse,
    )
    from segmind_client.jobs import JobUpdate
    from segmind_client.results import AsyncGeneration, AsyncResult, Generation, Result
    from segmind_client.vendor import (
        DEFAULT_POLL_INTERVAL_S,
        DEFAULT_POLL_TIMEOUT_S,
        AsyncJob,
        SegmindClient,
        run,
        run_sync,
        submit_async,
    )

    __version__: str

__all__ = [
    "DEFAULT_POLL_INTERVAL_S",
    "DEFAULT_POLL_TIMEOUT_S",
    "AsyncClient",
    "AsyncGeneration",
    "AsyncJob",
    "AsyncJobHandle",
    "AsyncResult",
    "BadGateway",
    "BadRequest",
    "Client",
    "ClientUnusable",
    "ConnectionLost",
    "DownloadFailed",
    "FileExists",
    "Forbidden",
    "ForeignURL",
    "GatewayTimeout",
    "Generation",
    "InferenceFailed",
    "InferenceTimeout",
    "InsufficientCredits",
    "InvalidParameter",
    "JobHandle",
    "JobUpdate",
    "MayHaveBeenAccepted",
    "MethodNotAllowed",
    "MissingKey",
    "ModelRetired",
    "NoImage",
    "NoOutput",
    "NotFound",
    "NotSaved",
    "NotSent",
    "RateLimited",
    "Result",
    "SegmindClient",
    "SegmindError",
    "ServerError",
    "StatusError",
    "Unauthorized",
    "UnreadableField",
    "UnreadableResponse",
    "__version__",
    "errors",
    "exceptions",
    "run",
    "run_sync",
    "submit_async",
]

MODULES = {
    "AsyncClient": "async_clients",
    "AsyncGeneration": "results",
    "AsyncJob": "vendor",
    "AsyncJobHandle": "async_clients",
    "AsyncResult": "results",
    "Client": "clients",
    "DEFAULT_POLL_INTERVAL_S": "vendor",
    "DEFAULT_POLL_TIMEOUT_S": "vendor",
    "Generation": "results",
    "JobHandle": "clients",
    "JobUpdate": "jobs",
    "Result": "results",
    "SegmindClient": "vendor",
    "run": "vendor",
    "run_sync": "vendor",
    "submit_async": "vendor",
}
"""Where names come from; all others are errors."""

ABSENT = frozenset(
    {
        *("AsyncChatJob", "ChatResponse", "chat", "chat_sync", "image_url", "stream", "submit_chat"),
        *("accounts", "files", "finetune", "generations", "models", "pixelflows", "webhooks"),
    }
)
"""Names of the vendor's package that belong to other endpoints."""


def absent(where: str, name: str) -> AttributeError:
    return AttributeError(
        f"{where} has no {name!r}: it covers the endpoints of Segmind's image models only. The vendor's own package, "
        f"segmind, has the others, and can be used beside this one"
    )


def __getattr__(name: str) -> Any:
    # Names are looked up when they are first used, so that the import costs next to nothing.
    if name == "__version__":
        return import_module("importlib.metadata").version("segmind-openapi")
    if name in ABSENT:
        raise absent(__name__, name)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("errors", "exceptions"):
        return import_module(f"{__name__}.{name}")
    return getattr(import_module(f"{__name__}.{MODULES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return __all__
