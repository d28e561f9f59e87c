"""How a long-running process starts: logs, settings, connection, then its own parts.

Owns the order and the exit codes of what can go wrong before anything runs. The operator and the
webhook differ only in what they then do.
"""

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import uvloop

from grove_operator import __version__
from grove_operator.cluster.config import ClientOptions
from grove_operator.cluster.connection import Api
from grove_operator.errors import GroveError, SettingsError
from grove_operator.process.logs import configure
from grove_operator.process.shell import THREAD
from grove_operator.process.supervisor import EXIT_CONFIGURATION, EXIT_INIT
from grove_operator.settings import Settings, load_settings

_LOG = logging.getLogger(__name__)


class Program(Protocol):
    """What is launched."""

    async def listen(self) -> None:
        """Open the ports, so that a process that waits for something says so."""

    async def run(self) -> int:
        """Run until told to stop; give the exit code."""


Make = Callable[[Api, Settings, ClientOptions], Program]


def launch(config: Path | None, kubeconfig: str | None, env: Mapping[str, str], make: Make) -> int:
    """Run until told to stop; gives the exit code."""
    configure("info", "json")
    try:
        settings = load_settings(config, env)
    except SettingsError as error:
        _LOG.error("the configuration is wrong", extra={"why": str(error)})
        return EXIT_CONFIGURATION
    configure(settings.log_level, settings.log_format)
    warn_of_keys(settings)
    # Records live long and hold no cycles: look for garbage seldom.
    gc.set_threshold(50_000, 20, 50)
    code = uvloop.run(_run_or_end(settings, kubeconfig, make))
    if any(thread.name == THREAD for thread in threading.enumerate()):
        # It hangs in a request. Python's own end, under its feet, could hang as well, or crash.
        logging.shutdown()
        os._exit(code)
    return code


def warn_of_keys(settings: Settings) -> None:
    """Those that mean nothing here, so that nobody waits for their effect."""
    for key in settings.unknown_keys:
        _LOG.warning("unknown key in the configuration file", extra={"key": key})
    for key, why in settings.idle_keys.items():
        _LOG.warning("a key of the configuration has no effect", extra={"key": key, "why": why})


async def _run_or_end(settings: Settings, kubeconfig: str | None, make: Make) -> int:
    """A signal ends a process that still starts; later its supervisor takes signals."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await _run(settings, kubeconfig, make)
    except asyncio.CancelledError:
        _LOG.info("told to stop while starting")
        return 0


async def _run(settings: Settings, kubeconfig: str | None, make: Make) -> int:
    client = settings.runtime_client_connection
    options = ClientOptions(
        kubeconfig=kubeconfig,
        max_in_flight=client.max_in_flight,
        qps=client.qps,
        burst=client.burst,
        timeout=client.request_timeout,
    )
    try:
        api = await Api.connect(options)
    except GroveError as error:
        _LOG.error("cannot start", extra={"why": str(error)})
        return EXIT_INIT
    async with api:
        try:
            program = make(api, settings, options)
            await program.listen()
        except SettingsError as error:
            _LOG.error("the configuration is wrong", extra={"why": str(error)})
            return EXIT_CONFIGURATION
        except OSError as error:
            _LOG.error("cannot listen", extra={"why": str(error)})
            return EXIT_INIT
        _LOG.info("starting", extra={"version": __version__})
        return await program.run()
