"""The server put together: paths, page, guard, and the jobs behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response, WebSocket
from fastapi.openapi.utils import get_openapi

from mien.core.version import __version__
from mien.models.network import extended
from mien.models.record import ModelRecord, read_record, shipped_records
from mien.serve import page
from mien.serve.guard import Gate, Guard
from mien.serve.jobs import Jobs
from mien.serve.live import Live
from mien.serve.paths import job_paths
from mien.serve.problems import RefusedError, answer_problems
from mien.serve.schemas import Health, ModelFacts, ModelList, SignalFacts, responses
from mien.serve.settings import ServeSettings

ABOUT = """Which expression does each face in a video show, when. Expressions shown, not emotions felt; nobody is
identified. Nothing leaves this server.

Every error has the body `{"error": {"expected", "got", "fix"}}`.

`WS /v1/live`: send JPEG or WebP frames as binary messages, each preceded, if its time is not that of its arrival, by
the text `{"time": seconds}`. For the newest frame comes `{"time", "faces": [{"track", "box": [x1, y1, x2, y2], "label",
"score", "probabilities", "reason"}], "dropped"}` or `{"time", "error", "dropped"}`; a face has `signals` too where the
model says more than the expression, and `dropped` counts the frames that came faster than they could be looked at. A
server with a token takes it as `?token=` or as the first text `{"token": "..."}`. Close codes: 1008 not allowed, 1009
frame too large, 1011 try again, 1013 too many cameras."""


def create_app(settings: ServeSettings) -> FastAPI:
    """The ASGI application; its lifespan starts and stops the jobs.

    Args:
        settings: where and how.

    Raises:
        InputError: the data folder is in use or cannot be written to, or there is no such model.
    """
    record = extended(find_record(settings.model), settings.signals)
    jobs = Jobs(settings)
    gate = Gate(settings.secret, settings.host)
    live = Live(settings, gate, jobs.metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        jobs.start()
        try:
            yield
        finally:
            live.stop()
            jobs.stop()

    # The interactive documentation would load its scripts from other hosts.
    app = FastAPI(
        title="mien", version=__version__, description=ABOUT, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    answer_problems(app)
    app.include_router(job_paths(jobs))
    _add_facts(app, jobs, record)
    app.add_api_websocket_route("/v1/live", _live_path(live))
    _add_page(app)
    app.add_middleware(Guard, gate=gate, metrics=jobs.metrics, most=settings.connections, logs=settings.access_log)
    _describe(app, settings.secret is not None)
    return app


def find_record(name: str | None) -> ModelRecord:
    """The record of the model to use, without loading its weights. Raises InputError where there is none."""
    if name is not None and Path(name).is_file():
        return read_record(Path(name))
    from mien.models.find import find_weights

    return read_record(find_weights(name))


def _add_facts(app: FastAPI, jobs: Jobs, record: ModelRecord) -> None:
    @app.get("/v1/models", responses=responses(422), tags=["models"])
    def models() -> ModelList:
        """The model in use, then the others that came with mien."""
        others = [one for one in shipped_records() if one.sha256 != record.sha256]
        return ModelList(models=[_facts(record, True), *(_facts(one, False) for one in others)])

    @app.get("/healthz", responses={status: responses()[status] for status in (403, 414, 503)}, tags=["operation"])
    def health() -> Health:
        """Whether the server answers, and works."""
        living, wanted = jobs.living(), jobs.settings.concurrency
        if living < wanted:
            raise RefusedError(503, f"{wanted} workers", f"{living}", "start the server again; its log may say more")
        counts = jobs.store.counts()
        return Health(
            status="ok",
            version=__version__,
            queued=counts.get("queued", 0),
            running=counts.get("running", 0),
            workers=living,
            unsaved=jobs.store.unsaved,
        )

    media = {"text/plain": {"schema": {"type": "string"}}}
    described: dict[int | str, dict[str, Any]] = {200: {"content": media, "description": "Counters"}, **responses()}

    @app.get("/metrics", response_class=Response, responses=described, tags=["operation"])
    def metrics() -> Response:
        """Counters in the text format of Prometheus."""
        return Response(jobs.metrics.text(), media_type="text/plain; version=0.0.4")


def _facts(record: ModelRecord, in_use: bool) -> ModelFacts:
    return ModelFacts(
        name=record.name,
        in_use=in_use,
        labels=list(record.labels.labels),
        signals=[SignalFacts(**signal.to_dict()) for signal in record.signals],
        frames=record.frames,
        prior=record.prior,
        threshold=record.calibration.threshold,
        trained_on=record.trained_on,
        licence=record.licence,
        scores=record.scores,
        parameters=record.parameters,
        sha256=record.sha256,
    )


def _live_path(live: Live) -> Any:
    async def connect(socket: WebSocket) -> None:
        await live.serve(socket)

    return connect


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    @app.get("/page/{name}", include_in_schema=False)
    def assets(name: str = "index.html") -> Response:
        try:
            content, kind = page.asset(name)
        except KeyError:
            raise RefusedError(404, "an asset of the page", "another name", "open /") from None
        headers = {"content-security-policy": page.POLICY, "cache-control": "no-cache"}
        return Response(content, media_type=kind, headers=headers)


def _describe(app: FastAPI, secured: bool) -> None:
    """Make the schema say what FastAPI cannot know: the token, and that every error has one form."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            for unused in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(unused, None)
            schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            if secured:
                for path, methods in schema["paths"].items():
                    for method in methods.values() if path != "/healthz" else ():
                        method["security"] = [{"token": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
