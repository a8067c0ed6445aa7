"""Execute requests: each on one worker thread, from parsing to the encoded answer.

SQLite and the file system block, and so does completing ten thousand nodes; neither may hold up the server's event
loop. So a request hops to a thread once and stays there: its resolvers call the repository directly, and
an event loop of the thread's own lets the data loaders gather ids. The pool bounds how many run at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import orjson
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError

from lin.errors import InvalidInputError
from lin.lineage.fallback import standing_in
from lin.repository import Repository

from .failures import INVALID_QUERY, Report, describe, failure, internal
from .schema import schema
from .schema.context import Context, ExhaustedError, too_slow

SECONDS = 10.0
THREADS = 4


@dataclass(frozen=True, slots=True)
class Request:
    """A GraphQL request.

    Attributes:
        query: The document.
        variables: Values for its variables.
        operation: Which of its operations, where it has several.
    """

    query: str
    variables: Mapping[str, Any] | None = None
    operation: str | None = None

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a request's JSON.

        Raises:
            InvalidInputError: It is not JSON, or not a GraphQL request.
        """
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise InvalidInputError(
                f"the body is not JSON: {error}", hint='Send {"query": "…", "variables": {…}}.'
            ) from error
        if not isinstance(document, dict):
            raise InvalidInputError(
                f"the body is not a JSON object but {type(document).__name__}", hint="Send one request at a time."
            )
        query, variables, operation = (document.get(name) for name in ("query", "variables", "operationName"))
        if not isinstance(query, str) or not query.strip():
            raise InvalidInputError("the request has no query", hint='Send {"query": "{ repository { id } }"}.')
        if not isinstance(variables, (dict, type(None))):
            raise InvalidInputError(f"variables: not an object: {variables!r:.80}")
        if not isinstance(operation, (str, type(None))):
            raise InvalidInputError(f"operationName: not a string: {operation!r:.80}")
        return cls(query, variables, operation)


class Engine:
    """Answer requests against one repository; safe to use from several threads.

    Args:
        repository: Answers everything; stays open when this closes.
        report: Is told of faults that clients must not see.
        seconds: How long one request may take.
        threads: How many requests run at a time; others wait.
    """

    def __init__(
        self, repository: Repository, report: Report, *, seconds: float = SECONDS, threads: int = THREADS
    ) -> None:
        self.repository = repository
        self.seconds = seconds
        self._report = report
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lin-query")
        self._own = threading.local()
        self._loops: list[asyncio.AbstractEventLoop] = []

    async def answer(self, request: Request) -> bytes:
        """Execute a request on a worker thread and return the response's JSON.

        A request that takes too long is answered with an error; its thread stops at the next call of the repository.
        """
        work = asyncio.get_running_loop().run_in_executor(self._pool, self.execute_encoded, request)
        try:
            return await asyncio.wait_for(work, self.seconds)
        except TimeoutError:
            return orjson.dumps({"data": None, "errors": [describe(too_slow(self.seconds), self._report)]})

    def execute_encoded(self, request: Request) -> bytes:
        """Execute a request on this thread and return the response's JSON."""
        response = self.execute(request)
        try:
            return orjson.dumps(response)
        except TypeError as error:  # a value of the repository's that JSON cannot hold
            return orjson.dumps({"errors": [internal(error, self._report)]})

    def execute(self, request: Request) -> dict[str, Any]:
        """Execute a request on this thread and return the response; never raises for what the request says."""
        with standing_in() as notices, Context(self.repository, self.seconds, notices) as context:
            response = self._executed(request, context)
        if notices:
            response["extensions"] = {"notices": list(dict.fromkeys(notices))}
        return response

    def _executed(self, request: Request, context: Context) -> dict[str, Any]:
        try:
            result = self._loop().run_until_complete(
                schema.execute(
                    request.query,
                    variable_values=dict(request.variables) if request.variables else None,
                    context_value=context,
                    operation_name=request.operation,
                )
            )
        except ExhaustedError as exhausted:
            self._drop_tasks()
            return {"data": None, "errors": [describe(exhausted.error, self._report)]}
        except CannotGetOperationTypeError as error:
            return failure(error.as_http_error_reason(), INVALID_QUERY, "Name one of the document's operations.")
        except MissingQueryError:
            return failure("the request has no query", INVALID_QUERY)
        except Exception as error:  # noqa: BLE001 (whatever it is, the client gets an id and the log the rest)
            return {"errors": [internal(error, self._report)]}
        response: dict[str, Any] = {"data": result.data}
        if result.errors:
            response["errors"] = [describe(error, self._report) for error in result.errors]
        return response

    def close(self) -> None:
        """Wait for the requests that run, and stop the threads; closing twice is no error."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        while self._loops:
            self._loops.pop().close()

    def _drop_tasks(self) -> None:
        loop = self._loop()
        tasks = asyncio.all_tasks(loop)

        async def drop() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        loop.run_until_complete(drop())

    def _loop(self) -> asyncio.AbstractEventLoop:
        if not hasattr(self._own, "loop"):
            self._own.loop = asyncio.new_event_loop()
            self._loops.append(self._own.loop)
        loop: asyncio.AbstractEventLoop = self._own.loop
        return loop
