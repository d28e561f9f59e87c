"""Golden files: what a manifest becomes, reviewed by people, rewritten by `--update-golden`."""

from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

Body = dict[str, Any]


class _Dumper(yaml.SafeDumper):
    """Writes shared parts in full."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def as_yaml(objects: list[Body]) -> str:
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=100)


def compare(path: Path, objects: list[Body], *, update: bool) -> None:
    """Fail if the file does not hold these objects in this order; or make it hold them."""
    if update:
        path.write_text(as_yaml(objects), encoding="utf-8")
    expected = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    names = [f"{body['kind']} {body['metadata']['name']}" for body in objects]
    assert names == [f"{body['kind']} {body['metadata']['name']}" for body in expected]
    for name, body, wanted in zip(names, objects, expected, strict=True):
        assert body == wanted, f"{name} differs from {path.parent.name}; see --update-golden"
