"""Kopf, embedded: how it runs inside a process that is not its own.

Owns Kopf's thread, login, pace and configuration. Refuses to know handlers: the operator and the
webhook register theirs. Kopf runs in a thread with an event loop of its own, because at its end it
cancels every task of its loop and while it runs it takes the process's signals; so it can also be
started again when the cluster made it give up. Started by the supervisor, on standbys too.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final, Protocol, TypeVar

import aiohttp
import kopf
from typing_extensions import override

from grove_operator import metrics
from grove_operator.cluster.config import Credentials
from grove_operator.cluster.discovery import Served, is_served
from grove_operator.cluster.resources import Resource

_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_IDENTITY: Final[Any] = "grove-operator"
_LONGEST_WAIT: Final = 10.0
_STEADY: Final = 60.0
"""Seconds after which a run of Kopf counts as good, so that the next wait is short again."""
_LEFTOVERS: Final = 0.1
"""Seconds after Kopf's clean-up until the tasks that it forgot are cancelled."""
THREAD: Final = "kopf"
_QUICK: Final = 5.0
"""A watch that is opened again sooner than this was closed at once by the server."""


class Bridge(Protocol):
    """What handlers, which run in Kopf's loop, may use of the process's own loop."""

    def call(self, callback: Callable[..., None], *words: str) -> None:
        """Call there, without waiting."""


Register = Callable[[kopf.OperatorRegistry, frozenset[Resource], Bridge], None]
"""Adds handlers for those of the kinds that the cluster serves."""


class Shell:
    """Runs Kopf with the handlers of `register` while the cluster serves any of `kinds`."""

    def __init__(
        self,
        credentials: Credentials,
        kinds: Iterable[Resource],
        register: Register,
        settings: Callable[[], kopf.OperatorSettings] | None = None,
    ) -> None:
        self.credentials = credentials
        self.register = register
        self.settings = settings or kopf_settings
        self._kinds = tuple(kinds)
        self._served: frozenset[Resource] = frozenset()
        self._changed = asyncio.Event()

    def serve(self, found: Served) -> None:
        """Tell what the cluster serves. Kopf is started anew when that concerns it."""
        wanted = frozenset(kind for kind in self._kinds if is_served(found, kind))
        if wanted != self._served:
            self._served = wanted
            self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep Kopf running until `stop`. Cluster faults start it again, bugs are raised."""
        stopped = asyncio.create_task(stop.wait(), name="shell-stop")
        failures = 0
        try:
            while not stop.is_set():
                changed = asyncio.create_task(self._changed.wait(), name="shell-change")
                began = asyncio.get_running_loop().time()
                fault = await self._incarnate((stopped, changed))
                if asyncio.get_running_loop().time() - began >= _STEADY:
                    failures = 0
                if fault is None:
                    continue
                failures += 1
                metrics.count_informer_restart("kopf", "fault")
                wait = min(_LONGEST_WAIT, 0.5 * 2**failures) * random.uniform(0.5, 1)  # noqa: S311
                _LOG.warning("kopf ended, starting again", extra={"why": fault, "wait": wait})
                await asyncio.wait([stopped], timeout=wait)
        finally:
            stopped.cancel()

    async def _incarnate(self, ends: tuple[asyncio.Task[Any], asyncio.Task[Any]]) -> str | None:
        """Run Kopf once, until one of `ends` or until it gives up; say why it gave up."""
        self._changed.clear()
        try:
            if not self._served:  # no CRDs yet: Kopf would start, see nothing, and never look again
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                return None
            incarnation = _Incarnation(self, self._served)
            try:
                await asyncio.wait([*ends, incarnation.ended], return_when=asyncio.FIRST_COMPLETED)
                on_request = any(task.done() for task in ends)
            finally:
                error = await incarnation.stop()
        finally:
            ends[1].cancel()
        if error is not None and not is_cluster_fault(error):
            raise error
        if on_request:
            return None
        return f"{type(error).__name__}: {error}" if error else "no reason given"


class _Incarnation:
    """One run of `kopf.operator()` in its own thread. `ended` gives the error or None."""

    def __init__(self, shell: Shell, resources: frozenset[Resource]) -> None:
        self._shell = shell
        self._resources = resources
        self._outside = asyncio.get_running_loop()
        self.ended: asyncio.Future[BaseException | None] = self._outside.create_future()
        self._inside: asyncio.AbstractEventLoop | None = None
        self._stop_flag: asyncio.Event | None = None
        self._stopped = threading.Event()
        self._session: aiohttp.ClientSession | None = None
        self._pace = _Pace()
        self._own = threading.Thread(target=self._thread, name=THREAD, daemon=True)
        self._own.start()

    async def stop(self) -> BaseException | None:
        """Tell it to end and wait for that, even in a task that is being cancelled.

        A thread that outlived the process's loop would talk to a closed one, and the end of the
        interpreter with a thread at work is a hang or a crash.
        """
        self._stopped.set()
        if self._inside is not None and self._stop_flag is not None and not self.ended.done():
            self._inside.call_soon_threadsafe(self._stop_flag.set)
        await asyncio.wait([self.ended])
        self._own.join()  # the end is the last that it tells
        return self.ended.result()

    def _thread(self) -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._operate())
        except BaseException as caught:  # noqa: BLE001 - carried over to the other thread
            error = caught
        with suppress(RuntimeError):  # nobody waited so long: the loop is closed
            self._outside.call_soon_threadsafe(self._end, error)

    def _end(self, error: BaseException | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)

    async def _operate(self) -> None:
        self._stop_flag = asyncio.Event()
        self._inside = asyncio.get_running_loop()
        if self._stopped.is_set():  # stopped before it began
            return
        try:
            await kopf.operator(
                registry=self._handlers(),
                settings=self._shell.settings(),
                clusterwide=True,
                standalone=True,
                # Else Kopf asks for the name of the process's user, and most images have none.
                identity=_IDENTITY,
                stop_flag=self._stop_flag,
            )
        finally:
            # Not in on.cleanup: watches that still run would take it for lost credentials and
            # wait for new ones.
            await self._close_session()

    def _handlers(self) -> kopf.OperatorRegistry:
        """Register what every run needs, then what the shell was made for.

        A failing login ends this run at once instead of waiting in it for a minute.
        """
        registry = kopf.OperatorRegistry()

        @kopf.on.startup(registry=registry)
        async def note_start(**_: Any) -> None:
            kinds = sorted(kind.plural for kind in self._resources)
            _LOG.info("kopf starts", extra={"kinds": kinds})

        @kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
        async def login(**_: Any) -> kopf.AiohttpSession:
            return await self._log_in()

        @kopf.on.cleanup(registry=registry)
        async def note_end(**_: Any) -> None:
            _LOG.info("kopf ends")
            asyncio.get_running_loop().call_later(_LEFTOVERS, self._cancel_leftovers)

        self._shell.register(registry, self._resources, self)
        return registry

    def _cancel_leftovers(self) -> None:
        """When one watch fails, Kopf waits 5 s for the rest to notice; it never does.

        Repeated until the loop ends, because a watch may swallow one cancellation.
        """
        if self._stop_flag is not None:
            self._stop_flag.set()
        for task in asyncio.all_tasks():
            if task.get_name().startswith("watcher for "):
                task.cancel()
        asyncio.get_running_loop().call_later(_LEFTOVERS, self._cancel_leftovers)

    def call(self, callback: Callable[..., None], *words: str) -> None:
        self._outside.call_soon_threadsafe(callback, *words)

    async def _log_in(self) -> kopf.AiohttpSession:
        """Give Kopf a session made of our credentials. It asks again after each 401."""
        credentials = self._shell.credentials
        if self._session is not None:  # Kopf has closed it
            await self._over_there(credentials.reload)
        endpoint = credentials.endpoint()
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(self._before_request)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=credentials.ssl_context()),
            proxy=endpoint.proxy,
            trace_configs=[trace],
            trust_env=False,
        )
        return kopf.AiohttpSession(server=endpoint.host, aiohttp_session=self._session)

    async def _before_request(
        self,
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceRequestStartParams,
    ) -> None:
        """Add the current token, and slow down a watch that the server closes at once."""
        del context
        if "watch" in params.url.query:
            await self._pace.wait(params.url.path)
        header = await self._over_there(self._shell.credentials.header)
        if session.closed:  # meanwhile; said as aiohttp says it, so that Kopf takes the new one
            raise RuntimeError("Session is closed")
        if header:
            params.headers["Authorization"] = header

    async def _close_session(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _over_there(self, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """Run something of the other loop there: credentials belong to it."""

        async def run() -> _Result:
            return await work()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), self._outside))


class InfiniteBackoff(Iterable[float]):
    """Kopf gives up when its list of waits ends, so this one never does."""

    @override
    def __iter__(self) -> Iterator[float]:
        wait = 1.0
        while True:
            yield wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
            wait = min(_LONGEST_WAIT, wait * 2)


class NoDiff(kopf.DiffBaseStorage):
    """Remembers nothing: we have no handlers that compare, and this halves the cost per event."""

    @override
    def build(self, **_: Any) -> Any:
        return {}

    @override
    def fetch(self, **_: Any) -> Any:
        return None

    @override
    def store(self, **_: Any) -> None:
        return None


class NoProgress(kopf.ProgressStorage):
    """Stores nothing on the objects."""

    @override
    def fetch(self, **_: Any) -> Any:
        return None

    @override
    def store(self, **_: Any) -> None:
        return None

    @override
    def purge(self, **_: Any) -> None:
        return None

    @override
    def touch(self, **_: Any) -> None:
        return None

    @override
    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def kopf_settings() -> kopf.OperatorSettings:
    """Switch off what writes, and make waiting endless where Kopf would give up."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = None
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 660
    settings.watching.inactivity_timeout = 90
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = InfiniteBackoff()
    settings.networking.enforce_retry_after = True
    settings.persistence.diffbase_storage = NoDiff()
    settings.persistence.progress_storage = NoProgress()
    return settings


def is_cluster_fault(error: BaseException) -> bool:
    """Tell what the cluster did to Kopf from bugs. Kopf keeps its API errors private."""
    if isinstance(error, aiohttp.ClientError | OSError | TimeoutError | kopf.LoginError):
        return True
    return any(base.__module__.startswith("kopf._cogs.clients") for base in type(error).__mro__)


class _Pace:
    """Kopf opens a watch again without any wait; a server that closes at once would be flooded."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, int]] = {}

    async def wait(self, path: str) -> None:
        clock = asyncio.get_running_loop().time
        last, quick = self._last.get(path, (float("-inf"), 0))
        quick = quick + 1 if clock() - last < _QUICK else 0
        if quick > 1:
            await asyncio.sleep(min(_QUICK * 0.9, 0.1 * 2 ** min(quick, 10)))
        self._last[path] = (clock(), quick)


def selector(resource: Resource) -> tuple[str, str, str]:
    """How Kopf's decorators name a kind."""
    return resource.group, resource.version, resource.plural
