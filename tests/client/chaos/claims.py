"""What has to hold for each submit, whatever went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import attrs

from segmind_api.models import JobResult
from segmind_client import errors
from tests.client.chaos.calls import GRACE, Call, Interruption, Report


@attrs.frozen
class Case:
    """A call, what the client says about it, and what the double knows."""

    call: Call
    accepted: Mapping[str, str]
    """The request ids of the jobs that were accepted, and their states."""
    lag: float
    """Seconds by which the machine was late at most."""

    @property
    def report(self) -> Report:
        return self.call.report

    @property
    def named(self) -> str | None:
        """The request id that the caller knows."""
        return getattr(self.report, "request_id", None)

    @property
    def is_raw(self) -> bool:
        return not isinstance(self.report, JobResult | errors.SegmindError | Interruption)

    @property
    def says_nothing_was_accepted(self) -> bool:
        if isinstance(self.report, Interruption):
            return not self.named and not self.says_maybe_accepted
        refused = isinstance(self.report, errors.NotSent | errors.StatusError | errors.InvalidParameter)
        return refused and self.named is None

    @property
    def says_maybe_accepted(self) -> bool:
        if isinstance(self.report, Interruption):
            return "may have been accepted" in self.report.note
        return isinstance(self.report, errors.MayHaveBeenAccepted)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the response to the last submit does not tell whether it was accepted."""
        met = [fault for verb, fault in self.call.met if verb == "POST"]
        return bool(met) and met[-1] is not None and met[-1].doubtful

    @property
    def timed_out_on_a_busy_machine(self) -> bool:
        """Whether any response may have come too late."""
        return self.lag > GRACE and "ReadTimeout" in str(self.report)

    @property
    def reported_state(self) -> str | None:
        """The state that the job must have, by the report."""
        if isinstance(self.report, JobResult):
            return "COMPLETED"
        return "FAILED" if isinstance(self.report, errors.InferenceFailed) else None

    def __str__(self) -> str:
        if isinstance(self.report, JobResult):
            return "finished"
        return f"{type(self.report).__name__}{', with its id' if self.named else ''}"


REFUSED_IS_NOT_ACCEPTED = "what is reported as not sent or refused was not accepted"
ONCE = "nothing is accepted twice"
NAMED = "what was accepted is named by its id, or reported as maybe accepted"
IN_DOUBT = "maybe accepted is said where there is doubt, and nowhere else"
ENDED = "a job has ended as it is reported"
ON_TIME = "no call takes more than a second longer than it may"
OURS = "nothing is raised but a SegmindError, or an interruption"
CLAIMS: dict[str, Callable[[Case], bool]] = {
    REFUSED_IS_NOT_ACCEPTED: lambda case: not (case.says_nothing_was_accepted and case.accepted),
    ONCE: lambda case: len(case.accepted) <= 1,
    NAMED: lambda case: (
        case.says_maybe_accepted or (case.named in case.accepted if case.accepted else case.named is None)
    ),
    IN_DOUBT: lambda case: (
        isinstance(case.report, Interruption)
        or case.says_maybe_accepted == case.is_in_doubt
        or (case.says_maybe_accepted and case.timed_out_on_a_busy_machine)
    ),
    ENDED: lambda case: case.reported_state in (None, case.accepted.get(case.named or "")),
    ON_TIME: lambda case: case.call.took <= case.call.may_take + case.lag,
    OURS: lambda case: not case.is_raw,
}


def broken_claims(cases: Sequence[Case]) -> Counter[str]:
    """The claims that do not hold, and for how many cases."""
    return Counter(claim for case in cases for claim in broken_claims_of(case))


def broken_claims_of(case: Case) -> list[str]:
    return [claim for claim, holds in CLAIMS.items() if not holds(case)]
