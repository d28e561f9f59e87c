"""Shows each clique's pod to the API server, as a dry run, and tells what it says.

Owns the requests, their bound in time, and the memory of pods that were taken. Refuses to judge:
`admission/podtemplates.py` reads the answers. What cannot be asked in time becomes a warning.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import msgspec

from grove_operator.admission.fields import Verdict, verdict
from grove_operator.admission.podtemplates import Answer, Trial, judge, trials
from grove_operator.admission.submission import Submission
from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import PODS
from grove_operator.errors import ClusterError, InvalidError

_PATIENCE: Final = 3.0
"""Seconds for all pods of a review; the registered time-out is 10."""
_AT_ONCE: Final = 16
_REMEMBERED: Final = 4096
_VALID_FOR: Final = 60.0
"""Seconds for which a pod that was taken is not tried again, as when a set is applied in a loop."""


class Rehearsal:
    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._taken: OrderedDict[bytes, float] = OrderedDict()

    async def try_pods(self, submission: Submission) -> Verdict:
        """Errors for what the server calls invalid, warnings for what it refuses today."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        keyed = [(_key(trial.pod), trial) for trial in trials(submission)]
        judged = await asyncio.gather(
            *(
                self._try(submission, trial, key, deadline)
                for key, trial in keyed
                if not self._is_known(key)
            )
        )
        return verdict(
            (error for one in judged for error in one.errors),
            (warning for one in judged for warning in one.warnings),
        )

    async def _try(
        self, submission: Submission, trial: Trial, key: bytes, deadline: float
    ) -> Verdict:
        try:
            async with asyncio.timeout_at(deadline), self._slots:
                answer = await self._ask(trial.pod)
        except TimeoutError:
            answer = Answer(0, f"the API server took longer than {_PATIENCE:.0f} s")
        if answer.accepted:
            self._remember(key)
        return judge(submission.new, trial, answer)

    async def _ask(self, pod: dict[str, Any]) -> Answer:
        try:
            await self._api.request(
                "create",
                PODS,
                namespace=_namespace(pod),
                body=msgspec.json.encode(pod),
                query={"dryRun": "All"},
                tries=1,
                urgent=True,
            )
        except InvalidError as error:
            return Answer(error.status, error.message, error.causes)
        except ClusterError as error:
            return Answer(error.status, error.message)
        return Answer(201)

    def _is_known(self, key: bytes) -> bool:
        return self._taken.get(key, float("-inf")) > self._clock()

    def _remember(self, key: bytes) -> None:
        self._taken[key] = self._clock() + _VALID_FOR
        self._taken.move_to_end(key)
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)


def _namespace(pod: dict[str, Any]) -> str:
    return pod["metadata"]["namespace"] or "default"


def _key(pod: dict[str, Any]) -> bytes:
    """Equal for pods between which the server cannot tell: their names play no part."""
    given = {key: value for key, value in pod["spec"].items() if key not in _NAMES}
    marks = pod["metadata"].get("annotations") or {}
    content = msgspec.json.encode([_namespace(pod), given, marks], order="deterministic")
    return hashlib.sha256(content).digest()


_NAMES: Final = frozenset({"hostname", "subdomain"})
