"""The web application: one endpoint, its page, and whether it is well."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from lin.errors import InvalidInputError, LinError
from lin.repository import Repository

from . import execution
from .failures import extensions_of
from .guard import Guard, refuse
from .schema import print_schema

STATIC = Path(__file__).parent / "static"
MAX_BODY = 1024 * 1024
"""Bytes of a request's body."""
NO_STORE = {"cache-control": "no-store"}
REVALIDATE = {"cache-control": "no-cache"}


def create_app(
    repository: Repository | str | Path, *, token: str | None = None, seconds: float = execution.SECONDS
) -> Starlette:
    """Make the web application for a repository.

    Args:
        repository: An open repository, which stays open; or where one lies: it is opened now
            and closed with the application.
        token: What clients must send as `Authorization: Bearer`. None: only loopback names are answered to.
        seconds: How long one request may take.

    Raises:
        RepositoryNotFoundError: There is none at the place named.
        InvalidInputError: The token cannot be sent in a header.
    """
    opened = repository if isinstance(repository, Repository) else Repository.open(repository)
    service = Service(opened, seconds)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        service.engine.close()
        if opened is not repository:
            opened.close()

    return Starlette(
        routes=[
            Route("/", service.start),
            Route("/graphql", service.page, methods=["GET"]),
            Route("/graphql", service.query, methods=["POST"]),
            Route("/livez", service.live),
            Route("/readyz", service.ready),
            Route("/schema.graphql", service.schema),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, token=token)],
        lifespan=lifespan,
    )


class Service:
    """Answer the application's routes.

    Args:
        repository: What is served.
        seconds: How long one request may take.
    """

    def __init__(self, repository: Repository, seconds: float) -> None:
        self._repository = repository
        self._log = _logger()
        self.engine = execution.Engine(repository, self._report, seconds=seconds)

    async def start(self, _: Request) -> Response:
        """Lead to the page."""
        return RedirectResponse("/graphql")

    async def page(self, _: Request) -> Response:
        """Serve GraphiQL; all it needs comes from here."""
        return FileResponse(STATIC / "graphiql.html", headers=REVALIDATE)

    async def query(self, request: Request) -> Response:
        """Execute a GraphQL request."""
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            # A form on another site can send other types without asking first, but not this one.
            return refuse(
                415,
                f"the content type is {content_type or 'missing'!r}",
                "INVALID_INPUT",
                "Send JSON with the header 'Content-Type: application/json'.",
            )
        try:
            body = await asyncio.wait_for(_body(request), self.engine.seconds)
            parsed = execution.Request.parse(body)
        except _TooLargeError:
            return refuse(
                413,
                f"the body is larger than {MAX_BODY:,} bytes",
                "INVALID_INPUT",
                "Bytes are put with `lin put`; ask for less at a time.",
                {"connection": "close"},
            )
        except (TimeoutError, ClientDisconnect):
            return refuse(408, "the body did not come in time", "TIMEOUT", headers={"connection": "close"})
        except InvalidInputError as error:
            return refuse(400, error.message, error.kind.upper(), error.hint)
        return Response(await self.engine.answer(parsed), headers=NO_STORE, media_type="application/json")

    async def live(self, _: Request) -> Response:
        """Say that the process answers."""
        return PlainTextResponse("ok\n", headers=NO_STORE)

    async def ready(self, _: Request) -> Response:
        """Say whether the repository can be read, and how far its index is behind."""
        try:
            status = await asyncio.wait_for(asyncio.to_thread(self._repository.index_status), self.engine.seconds)
        except (LinError, TimeoutError) as error:
            extensions = extensions_of(error) if isinstance(error, LinError) else {"code": "TIMEOUT"}
            self._log.warning("not ready", reason=str(error))
            return JSONResponse({"ready": False, **extensions}, 503, headers=NO_STORE)
        return JSONResponse(
            {"ready": True, "indexes": [{"events": item.events, "behind": item.behind} for item in status]},
            headers=NO_STORE,
        )

    async def schema(self, _: Request) -> Response:
        """Serve the schema as text."""
        return PlainTextResponse(print_schema(), headers=REVALIDATE)

    def _report(self, number: str, error: BaseException) -> None:
        self._log.error("internal error", id=number, exc_info=error)


class _TooLargeError(Exception):
    """Stop reading."""


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise _TooLargeError
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise _TooLargeError
    return bytes(body)


def _logger() -> Any:
    """Return a logger that writes warnings and worse to standard error, and leaves others' settings alone."""
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event", "id"], bool_as_flag=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
    )
