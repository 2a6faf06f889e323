# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""A class per schema of the contract, and an alias per enum. Each is imported when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aspect_ratio import AspectRatio
    from .completed_job_metrics import CompletedJobMetrics
    from .credits import Credits
    from .error_response import ErrorResponse
    from .failed_job import FailedJob
    from .failed_job_metrics import FailedJobMetrics
    from .generation_output import GenerationOutput
    from .imagen_4_fast_request import Imagen4FastRequest
    from .imagen_4_request import Imagen4Request
    from .imagen_4_ultra_request import Imagen4UltraRequest
    from .imagen_request import ImagenRequest
    from .job_metrics import JobMetrics
    from .job_result import JobResult
    from .job_status import JobStatus
    from .output_image import OutputImage
    from .person_generation import PersonGeneration
    from .safety_filter_level import SafetyFilterLevel
    from .scheduler import Scheduler
    from .submitted_job import SubmittedJob

__all__ = (
    "AspectRatio",
    "CompletedJobMetrics",
    "Credits",
    "ErrorResponse",
    "FailedJob",
    "FailedJobMetrics",
    "GenerationOutput",
    "Imagen4FastRequest",
    "Imagen4Request",
    "Imagen4UltraRequest",
    "ImagenRequest",
    "JobMetrics",
    "JobResult",
    "JobStatus",
    "OutputImage",
    "PersonGeneration",
    "SafetyFilterLevel",
    "Scheduler",
    "SubmittedJob",
)

_MODULES = {
    "AspectRatio": "aspect_ratio",
    "CompletedJobMetrics": "completed_job_metrics",
    "Credits": "credits",
    "ErrorResponse": "error_response",
    "FailedJob": "failed_job",
    "FailedJobMetrics": "failed_job_metrics",
    "GenerationOutput": "generation_output",
    "Imagen4FastRequest": "imagen_4_fast_request",
    "Imagen4Request": "imagen_4_request",
    "Imagen4UltraRequest": "imagen_4_ultra_request",
    "ImagenRequest": "imagen_request",
    "JobMetrics": "job_metrics",
    "JobResult": "job_result",
    "JobStatus": "job_status",
    "OutputImage": "output_image",
    "PersonGeneration": "person_generation",
    "SafetyFilterLevel": "safety_filter_level",
    "Scheduler": "scheduler",
    "SubmittedJob": "submitted_job",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
