"""What goes over the wire, as the OpenAPI schema has it. Times are UTC, ISO 8601; durations seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["queued", "running", "done", "failed", "cancelled"]


class ErrorParts(BaseModel):
    """What went wrong and how to mend it."""

    expected: str
    got: str
    fix: str


class ErrorBody(BaseModel):
    """Every answer that is no success."""

    error: ErrorParts


class AnalyzeOptions(BaseModel):
    """How to look and what to write; each may stand in the body or in the query, the body wins."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    threshold: float | None = Field(None, ge=0, le=1, description='Probability under which the answer is "unclear".')
    window: float = Field(0.4, gt=0, le=10, description="Seconds of video the network sees at once.")
    min_span: float = Field(0.1, ge=0, le=60, description="Seconds an expression must last to interrupt another.")
    html: bool = Field(True, description="Write the report.")
    save_video: bool = Field(False, description="Write the video again with boxes, labels and probabilities.")
    blur: bool = Field(False, description="Hide the faces in that video; needs save_video.")
    keep_upload: bool = Field(False, description="Keep the uploaded file with the results.")


class AnalyzePath(AnalyzeOptions):
    """A file on the server's disk."""

    path: str = Field(min_length=1, max_length=4096, description="A file below one of the server's roots.")


class Accepted(BaseModel):
    """A job that waits for its turn."""

    id: str
    status: Literal["queued"]
    url: str


class JobFile(BaseModel):
    """A file of a finished job; size in bytes."""

    name: str
    size: int
    url: str


class SourceFacts(BaseModel):
    """What was looked at; None where unknown."""

    kind: str
    width: int
    height: int
    start: float
    duration: float | None
    frame_rate: float | None


class SignalFacts(BaseModel):
    """What a model says beside the expression: a name, its columns, and what their numbers mean."""

    name: str
    kind: Literal["classes", "flags", "scale"]
    labels: list[str]
    range: tuple[float, float]
    derived_from: str = Field("", description="Not measured, but computed from this; empty: the model itself says it.")
    note: str = Field("", description="What else a reader must know of it.")


Values = dict[str, dict[str, float | None]]
"""By signal, then by its labels."""


class Blinks(BaseModel):
    """Short closings of a face's eyes."""

    count: int | None = Field(description="None where the eyes could not be watched.")
    per_minute: float | None = Field(description="Over the time in which they could.")


class FaceTotals(BaseModel):
    """One person of the source: when seen, seconds of every expression shown, seconds unclear by reason."""

    track: int
    frames: int
    start: float
    end: float
    shown_seconds: dict[str, float]
    unclear_seconds: dict[str, float]
    signals: Values = Field({}, description="Means over the frames in which the face could be read.")
    blinks: Blinks | None = Field(None, description="There where the server's model knows closed eyes.")


class Summary(BaseModel):
    """What came out; everything is in the file result.json."""

    source: SourceFacts
    labels: list[str]
    signals: list[SignalFacts] = Field([], description="What the tables say beside the expression.")
    tracks: list[FaceTotals] = Field(description="The persons seen in most frames, at most 100.")
    tracks_in_all: int
    spans_in_all: int
    problems: list[str] = Field(description="Damage met in the file.")


class JobView(BaseModel):
    """A job as it stands."""

    id: str
    name: str
    status: Status
    progress: float | None = Field(ge=0, le=1, description="None where the length of the source is unknown.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    error: ErrorParts | None
    files: list[JobFile]
    result: Summary | None


class JobList(BaseModel):
    """Some jobs, newest first."""

    jobs: list[JobView]
    total: int


class EditedName(BaseModel):
    """What the person of a track is called."""

    track: int = Field(ge=1)
    name: str


class EditedMerge(BaseModel):
    """A track that is the same person as another one."""

    track: int = Field(ge=1)
    into: int = Field(ge=1)


class EditedMark(BaseModel):
    """A moment; seconds on the film's own clock, and whose: null is everybody."""

    time: float = Field(ge=0)
    track: int | None = None
    text: str


class EditedStretch(BaseModel):
    """A stretch that does not count; seconds on the film's own clock, and whose: null is everybody."""

    start: float = Field(ge=0)
    end: float
    track: int | None = None
    reason: str = "excluded"


class EditsSource(BaseModel):
    """Of which result the edits are; what is null is not compared."""

    name: str
    sha256: str | None = None
    bytes: int | None = None
    analysed: str | None = None


class EditsFile(BaseModel):
    """What a person corrected, as the commands of mien take it with --edits."""

    format: Literal["mien edits"]
    version: Literal[1]
    source: EditsSource
    names: list[EditedName] = []
    merges: list[EditedMerge] = []
    marks: list[EditedMark] = []
    excluded: list[EditedStretch] = []


class ModelFacts(BaseModel):
    """A set of weights."""

    name: str
    in_use: bool
    labels: list[str]
    signals: list[SignalFacts]
    frames: int
    prior: str
    threshold: float
    trained_on: str
    licence: str
    scores: dict[str, float]
    parameters: int
    sha256: str


class ModelList(BaseModel):
    """The models that the server knows, the one in use first."""

    models: list[ModelFacts]


class Health(BaseModel):
    """The server answers; how much it has to do, and with how many workers."""

    status: Literal["ok"]
    version: str
    queued: int
    running: int
    workers: int
    unsaved: int = Field(description="Jobs whose last change is not on disk yet, because the disk takes nothing.")


class LiveFace(BaseModel):
    """One face of a frame; pixels of that frame."""

    track: int
    box: list[float]
    label: str
    score: float | None
    probabilities: dict[str, float] | None
    reason: str | None
    signals: Values | None = Field(None, description="There where the server's model says more than the expression.")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of the errors that a path may answer with, beside those that every path may."""
    every = (401, 403, 414, 503)
    return {status: {"model": ErrorBody, "description": MEANING[status]} for status in (*statuses, *every)}


MEANING = {
    400: "The request cannot be read",
    401: "The token is missing or wrong",
    403: "Refused: a path outside the roots, or a request of another site",
    404: "There is no such thing",
    408: "The upload stood still, or came in too slowly",
    409: "Not yet: the job is not done",
    411: "The length is not said",
    413: "Larger than the server takes",
    414: "A longer address than the server takes",
    415: "A kind of content the server does not read",
    416: "No such part of the file",
    422: "Not a video or picture, or a value out of range",
    429: "The queue is full, or too many do the same; see Retry-After",
    503: "Too many requests at a time, or a worker is gone",
    507: "The server's disk is full",
}
