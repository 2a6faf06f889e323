# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""A class per schema of the contract, and an alias per enum."""

from .aspect_ratio import AspectRatio
from .completed_job_metrics import CompletedJobMetrics
from .credits_ import Credits
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
from .job_status_status import JobStatusStatus
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
    "JobStatusStatus",
    "OutputImage",
    "PersonGeneration",
    "SafetyFilterLevel",
    "Scheduler",
    "SubmittedJob",
)
