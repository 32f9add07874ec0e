"""``/v1/analyze`` and ``/v1/jobs``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import ValidationError

from mien.core.errors import ConfigError
from mien.report.edits import MOST_BYTES
from mien.serve.edits import EDITS, kept, parsed, written
from mien.serve.jobs import Jobs
from mien.serve.limits import Limit
from mien.serve.problems import RefusedError, invalid, not_found
from mien.serve.schemas import (
    Accepted,
    AnalyzeOptions,
    AnalyzePath,
    EditsFile,
    ErrorParts,
    JobFile,
    JobList,
    JobView,
    Summary,
    responses,
)
from mien.serve.store import Job
from mien.serve.uploads import Arrival, Bounds, allowed_path, display_name, known_suffix, receive, receive_json
from mien.serve.work import settings_of

LOOK_EVERY, BEAT_EVERY = 0.2, 15.0
"""Seconds between two looks at a job whose events somebody hears, and between two signs of life to them."""
UPLOAD_THREADS, LOOK_THREADS = 2, 4
"""Threads that write what arrives, and that wait for a look into it: whatever they do, others are answered."""
REPORT = "report.html"
PLACES = {REPORT: "report", EDITS: "edits"}
"""Files of a job that have a path of their own."""
TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
}
"""What browsers are told of a file; anything else is bytes to them."""
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""A stranger's upload, or a picture with text in it, may run nothing."""
REPORT_POLICY = "object-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
"""Beside the report's own policy, which names its script and style by hash; it asks this server for the kept edits."""


def job_paths(jobs: Jobs) -> APIRouter:
    """The paths of jobs."""
    router = APIRouter(prefix="/v1", tags=["jobs"])
    _add_analyze(router, jobs)
    _add_views(router, jobs)
    _add_contents(router, jobs)
    _add_edits(router, jobs)
    return router


def _add_analyze(router: APIRouter, jobs: Jobs) -> None:
    body = {"requestBody": {"required": True, "content": _bodies()}}
    errors = responses(400, 408, 413, 415, 422, 429, 507)
    settings = jobs.settings
    uploads = Limit(settings.connections // 2, "uploads")
    bounds = Bounds(settings.max_bytes, settings.upload_minutes * 60, CapacityLimiter(UPLOAD_THREADS))
    looks = CapacityLimiter(LOOK_THREADS)

    @router.post("/analyze", status_code=202, responses=errors, openapi_extra=body)
    async def analyze(request: Request, query: Annotated[AnalyzeOptions, Query()]) -> Accepted:
        """Put a video or picture into the queue: an upload, or a file below one of the server's roots."""
        await run_in_threadpool(jobs.demand_place)
        uploads.demand()
        with uploads.held():
            arrival = await receive(request, jobs.arriving, bounds)
            try:
                options = {**query.model_dump(exclude_unset=True), **arrival.fields}
                job = await to_thread.run_sync(_accept, jobs, arrival, options, limiter=looks)
            finally:
                if arrival.file is not None:
                    arrival.file.unlink(missing_ok=True)
        jobs.metrics.uploaded.inc(arrival.size)
        return Accepted(id=job.id, status="queued", url=f"/v1/jobs/{job.id}")


def _bodies() -> dict[str, Any]:
    options = AnalyzeOptions.model_json_schema()
    upload = {**options, "required": ["file"], "title": "AnalyzeUpload"}
    upload["properties"] = {"file": {"type": "string", "format": "binary"}, **options["properties"]}
    return {
        "multipart/form-data": {"schema": upload},
        "application/json": {"schema": AnalyzePath.model_json_schema()},
    }


def _accept(jobs: Jobs, arrival: Arrival, options: dict[str, Any]) -> Job:
    """Check what has arrived as a whole, and make a job of it if there is a place for one."""
    with jobs.place():
        return _made(jobs, arrival, options)


def _made(jobs: Jobs, arrival: Arrival, options: dict[str, Any]) -> Job:
    try:
        if arrival.file is not None:
            chosen, path = AnalyzeOptions.model_validate(options), None
        else:
            asked = AnalyzePath.model_validate(options)
            path = allowed_path(asked.path, jobs.settings.roots)
            chosen = AnalyzeOptions(**asked.model_dump(exclude={"path"}))
        settings_of(chosen.model_dump())
    except ValidationError as error:
        raise invalid(list(error.errors())) from None
    except ConfigError as error:
        raise RefusedError(422, error.expected, error.got, error.fix) from None
    if path is not None:
        name = display_name(path.name)
        jobs.probe(path, name)
        return jobs.add_path(path, name, chosen.model_dump())
    assert arrival.file is not None
    jobs.probe(arrival.file, arrival.name)
    return jobs.add_upload(arrival.file, arrival.name, known_suffix(arrival.name), chosen.model_dump())


def _add_views(router: APIRouter, jobs: Jobs) -> None:
    @router.get("/jobs", responses=responses(422))
    def listed(
        limit: Annotated[int, Query(ge=1, le=200)] = 50, offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0
    ) -> JobList:
        """Jobs, newest first."""
        some = jobs.store.newest(limit, offset)
        return JobList(jobs=[_view(jobs, job) for job in some], total=sum(jobs.store.counts().values()))

    @router.get("/jobs/{id}", responses=responses(404, 422))
    def one(id: str) -> JobView:
        """A job as it stands."""
        return _view(jobs, _found(jobs, id))

    @router.delete("/jobs/{id}", status_code=204, responses=responses(404, 422))
    def remove(id: str) -> Response:
        """Cancel the job if it is not over, and remove its upload and results."""
        jobs.remove(_found(jobs, id))
        return Response(status_code=204)

    events: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events"},
        **responses(404, 422, 429),
    }
    listeners = Limit(jobs.settings.connections // 4, "listeners to events")

    @router.get("/jobs/{id}/events", response_class=StreamingResponse, responses=events)
    async def listen(id: str, request: Request) -> StreamingResponse:
        """`status` and `progress` events with {"status", "progress"}, from how it stands now until the job is over."""
        job = await run_in_threadpool(_found, jobs, id)
        listeners.demand()
        return StreamingResponse(_events(jobs, job, request, listeners), media_type="text/event-stream")


def _add_contents(router: APIRouter, jobs: Jobs) -> None:
    page: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "The report"},
        **responses(404, 409, 422),
    }

    @router.get("/jobs/{id}/report", response_class=FileResponse, responses=page)
    def report(id: str) -> FileResponse:
        """The report for people."""
        job = _done(jobs, id)
        path = jobs.folder_of(job.id) / REPORT
        if not path.is_file():
            raise RefusedError(404, "a job that was asked for a report", "one without", "ask for it with html=true")
        return _sent(path, "text/html; charset=utf-8", REPORT_POLICY)

    content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    files: dict[int | str, dict[str, Any]] = {
        200: {"content": content, "description": "The file"},
        206: {"content": content, "description": "The part of it that the header Range asks for"},
        **responses(404, 409, 422),
    }

    @router.get("/jobs/{id}/files/{name}", response_class=FileResponse, responses=files)
    def file(id: str, name: str) -> FileResponse:
        """A file of a finished job."""
        path = _files(jobs, _done(jobs, id)).get(name)
        if path is None:
            raise not_found("file of this job")
        return _sent(path, TYPES.get(path.suffix.lower(), "application/octet-stream"), FILE_POLICY)


def _add_edits(router: APIRouter, jobs: Jobs) -> None:
    file: dict[int | str, dict[str, Any]] = {
        200: {"model": EditsFile, "description": "A file of edits"},
        **responses(404, 409, 422),
    }

    @router.get("/jobs/{id}/edits", response_class=Response, responses=file)
    def edits(id: str) -> Response:
        """What was corrected in the report and kept; lists without anything where nothing was."""
        job = _done(jobs, id)
        return Response(kept(job, jobs.folder_of(job.id)), media_type="application/json")

    content = {"application/json": {"schema": {"$ref": "#/components/schemas/EditsFile"}}}
    body = {"requestBody": {"required": True, "content": content}}
    errors = responses(400, 404, 408, 409, 413, 415, 422, 429, 507)
    settings = jobs.settings
    some = Limit(settings.connections // 8, "edits that come in")
    threads = CapacityLimiter(LOOK_THREADS)
    bounds = Bounds(MOST_BYTES, settings.upload_minutes * 60, threads)

    @router.put("/jobs/{id}/edits", status_code=204, responses=errors, openapi_extra=body)
    async def keep(id: str, request: Request) -> Response:
        """Keep what was corrected with the job, in place of what was kept before."""
        job = await run_in_threadpool(_done, jobs, id)
        some.demand()
        with some.held():
            text = await receive_json(request, bounds)
            await to_thread.run_sync(_keep, jobs, job, text, limiter=threads)
        return Response(status_code=204)


def _keep(jobs: Jobs, job: Job, text: bytes) -> None:
    try:
        found = parsed(text, jobs.folder_of(job.id))
    except FileNotFoundError:  # deleted meanwhile
        raise not_found("job") from None
    jobs.keep(job, EDITS, written(found))


def _sent(path: Path, kind: str, policy: str) -> FileResponse:
    try:
        facts = path.stat()
    except FileNotFoundError:  # deleted meanwhile
        raise not_found("file of this job") from None
    return FileResponse(path, media_type=kind, headers={"content-security-policy": policy}, stat_result=facts)


def _found(jobs: Jobs, job: str) -> Job:
    found = jobs.store.get(job) if job.isascii() else None
    if found is None:
        raise not_found("job")
    return found


def _done(jobs: Jobs, job: str) -> Job:
    found = _found(jobs, job)
    if found.status != "done":
        raise RefusedError(409, "a job that is done", f"one that is {found.status}", "ask again later")
    return found


def _files(jobs: Jobs, job: Job) -> dict[str, Path]:
    """Every file of a finished job by its name; a client's text is looked up here, never joined to a path."""
    folder = jobs.folder_of(job.id)
    if job.status != "done":
        return {}
    beside = [folder / name for name in PLACES if (folder / name).is_file()]
    return {path.name: path for path in (*beside, *sorted((folder / "files").glob("[!.]*")))}


def _view(jobs: Jobs, job: Job) -> JobView:
    return JobView(
        id=job.id,
        name=job.name,
        status=job.status,
        progress=jobs.progress(job),
        created=_moment(job.created),
        started=None if job.started is None else _moment(job.started),
        finished=None if job.finished is None else _moment(job.finished),
        error=None if job.error is None else ErrorParts(**job.error),
        files=[file for path in _files(jobs, job).values() if (file := _file(job.id, path))],
        result=None if job.result is None else Summary(**job.result),
    )


def _file(job: str, path: Path) -> JobFile | None:
    place = PLACES.get(path.name, f"files/{path.name}")
    try:
        size = path.stat().st_size
    except FileNotFoundError:  # its job is being deleted
        return None
    return JobFile(name=path.name, size=size, url=f"/v1/jobs/{job}/{place}")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def _events(jobs: Jobs, job: Job, request: Request, listeners: Limit) -> AsyncIterator[str]:
    with listeners.held():
        async for event in _news(jobs, job, request):
            yield event


async def _news(jobs: Jobs, job: Job, request: Request) -> AsyncIterator[str]:
    told: tuple[str, float | None] = ("", None)
    silent = 0.0
    while not await request.is_disconnected():
        now = await run_in_threadpool(jobs.store.get, job.id)
        state: tuple[str, float | None] = ("cancelled", None) if now is None else (now.status, jobs.progress(now))
        if state != told:
            kind = "progress" if state[0] == told[0] else "status"
            yield f"event: {kind}\ndata: {json.dumps({'status': state[0], 'progress': state[1]})}\n\n"
            told, silent = state, 0.0
        if state[0] not in ("queued", "running"):
            return
        await asyncio.sleep(LOOK_EVERY)
        silent += LOOK_EVERY
        if silent >= BEAT_EVERY:
            yield ": still here\n\n"
            silent = 0.0
