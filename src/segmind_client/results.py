"""What the client returns: the results of jobs and of v1 calls."""

from __future__ import annotations

from typing import Any

import attrs

from segmind_api.headers import ResponseHeaders
from segmind_api.models import GenerationOutput, JobResult
from segmind_api.types import ApiResponse, as_string
from segmind_client.drivers import AsyncDriver
from segmind_client.formats import Kind
from segmind_client.outputs import Output, output_of_generation, output_of_result
from segmind_client.reading import media_type_of
from segmind_client.retry import Caller
from segmind_client.savable import AsyncSavable, Driver, Savable, WithOutput


class ResultFields(JobResult, WithOutput):
    """A `JobResult` with an output."""

    _kind: Kind | None

    @property
    def cost(self) -> float:
        """What the job cost, in credits (US dollars)."""
        return self.metrics.cost

    def _find_output(self) -> Output:
        return output_of_result(self, self._kind, as_string(self.get("request_id")))

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the client, which has a key and connections.
        return self._restoring(JobResult(self.to_dict(), self.response), None, None, self._kind)


class Result(ResultFields, Savable):
    """The result of a job (v2): a `JobResult` whose output can be read and saved."""

    def __init__(
        self, result: JobResult, caller: Caller | None = None, driver: Driver | None = None, kind: Kind | None = None
    ) -> None:
        super().__init__(result.to_dict(), result.response)
        self._caller = caller
        self._driver = driver
        self._kind = kind


class AsyncResult(ResultFields, AsyncSavable):
    """`Result` with `await`."""

    def __init__(
        self,
        result: JobResult,
        caller: Caller | None = None,
        driver: AsyncDriver | None = None,
        kind: Kind | None = None,
    ) -> None:
        super().__init__(result.to_dict(), result.response)
        self._caller = caller
        self._driver = driver
        self._kind = kind


@attrs.frozen
class GenerationFields(WithOutput):
    """The response to one v1 call.

    `output` depends on its Content-Type: fields, a text, or the bytes of a file.
    """

    response: ApiResponse
    output: GenerationOutput | str | bytes
    _kind: Kind | None = attrs.field(default=None, repr=False)
    _caller: Caller | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def headers(self) -> ResponseHeaders:
        """The headers; `headers.cost` and `headers.remaining_credits` are in US dollars."""
        return self.response.headers

    @property
    def cost(self) -> float | None:
        """What the call cost, in credits (US dollars); None where the service does not say."""
        return self.headers.cost

    def _find_output(self) -> Output:
        return output_of_generation(self.output, self._kind, self.response, media_type_of(self.response))

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the client, which has a key and connections.
        return self._restoring(self.response, self.output, self._kind)


@attrs.frozen
class Generation(GenerationFields, Savable):
    """The response to one v1 call, whose output can be read and saved.

    `output` depends on its Content-Type: fields, a text, or the bytes of a file.
    """

    _driver: Driver | None = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen
class AsyncGeneration(GenerationFields, AsyncSavable):
    """`Generation` with `await`."""

    _driver: AsyncDriver | None = attrs.field(default=None, repr=False, eq=False)
