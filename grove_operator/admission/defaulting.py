"""What a PodCliqueSet gets where its author has left something out.

Works on the JSON body, before anybody has checked it against the schema. So each part may be of
any type: what is not of the right one is left alone, and the schema names it with its path. Refuses
to judge, to raise, and to repeat the schema's own defaults. An explicit null counts as absent.
"""

from collections.abc import Callable
from typing import Any, Final

from grove_operator.admission.delays import read_delay
from grove_operator.api.durations import format_duration
from grove_operator.api.podcliqueset import DEFAULT_TERMINATION_DELAY

Body = dict[str, Any]

_DEFAULT_NAMESPACE: Final = "default"
_GRACE_PERIOD: Final = 30
_INT32: Final = range(-(2**31), 2**31)


def default_podcliqueset(body: Body) -> Body:
    """The body with everything filled in. Parts that do not change are shared with `body`."""
    named = _within(body, "metadata", _metadata)
    return dict(_within(named, "spec", lambda spec: _within(spec, "template", _template)))


def _metadata(metadata: Body) -> Body:
    return _filled(metadata, "namespace", _DEFAULT_NAMESPACE, blank="")


def _template(template: Body) -> Body:
    template = _each(template, "cliques", lambda clique: _within(clique, "spec", _clique_spec))
    template = _each(template, "podCliqueScalingGroups", _group)
    template = _filled(template, "headlessServiceConfig", {"publishNotReadyAddresses": True})
    return template | {"terminationDelay": _delay(template.get("terminationDelay"))}


def _delay(given: Any) -> Any:
    """In Go's canonical form, which is what clients of Grove read back."""
    if given is None:
        return format_duration(DEFAULT_TERMINATION_DELAY)
    try:
        return format_duration(read_delay(given)) if isinstance(given, str) else given
    except ValueError:
        return given


def _clique_spec(spec: Body) -> Body:
    submitted = spec.get("replicas")
    count = 0 if submitted is None else submitted
    spec = _filled(_within(spec, "podSpec", _pod_spec), "roleName", "")
    if not _is_count(count):
        return spec
    spec = _within(spec, "autoScalingConfig", lambda config: _filled(config, "minReplicas", count))
    # minAvailable takes the count as submitted: 0 stays 0 there and is refused later.
    return _filled(spec, "minAvailable", count) | {"replicas": count or 1}


def _pod_spec(pod_spec: Body) -> Body:
    pod_spec = _filled(pod_spec, "restartPolicy", "Always", blank="")
    return _filled(pod_spec, "terminationGracePeriodSeconds", _GRACE_PERIOD)


def _group(group: Body) -> Body:
    submitted = group.get("replicas")
    count = 1 if submitted is None else submitted
    if not _is_count(count):
        return group
    return _within(group, "scaleConfig", lambda config: _filled(config, "minReplicas", count))


def _is_count(value: Any) -> bool:
    """Whether it may be copied; a copy of anything else would only be a second thing to refuse."""
    return isinstance(value, int) and not isinstance(value, bool) and value in _INT32


def _within(holder: Body, key: str, change: Callable[[Body], Body]) -> Body:
    inner = holder.get(key)
    return holder | {key: change(inner)} if isinstance(inner, dict) else holder


def _each(holder: Body, key: str, change: Callable[[Body], Body]) -> Body:
    items = holder.get(key)
    if not isinstance(items, list):
        return holder
    return holder | {key: [change(item) if isinstance(item, dict) else item for item in items]}


def _filled(holder: Body, key: str, value: Any, blank: str | None = None) -> Body:
    """With `value` at `key` if there is nothing, or the text that counts as nothing."""
    given = holder.get(key)
    absent = given is None or (isinstance(given, str) and given == blank)
    return holder | {key: value} if absent else holder
