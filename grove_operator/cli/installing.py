"""`grove-operator install-crds`: the CRDs of this version into a cluster, new or not.

Runs before the operator in its own pod, so that an upgrade of the image upgrades the CRDs, which
Helm never does. Gives the exit code; the command line passes it on.
"""

import asyncio
from typing import TextIO

from grove_operator.api.schema import build_crd
from grove_operator.api.schema_kinds import KINDS
from grove_operator.cluster.config import ClientOptions
from grove_operator.cluster.connection import Api
from grove_operator.cluster.definitions import install
from grove_operator.errors import ClusterError, SettingsError
from grove_operator.process.supervisor import EXIT_CONFIGURATION, EXIT_INIT


def install_crds(kubeconfig: str | None, patience: float, said: TextIO, wrong: TextIO) -> int:
    """Say each definition that is served; 0 if all are."""
    return asyncio.run(_install(ClientOptions(kubeconfig=kubeconfig), patience, said, wrong))


async def _install(options: ClientOptions, patience: float, said: TextIO, wrong: TextIO) -> int:
    try:
        async with await Api.connect(options) as api:
            async for name in install(api, map(build_crd, KINDS), patience):
                print(f"{name} is served", file=said, flush=True)
    except SettingsError as error:
        print(error, file=wrong)
        return EXIT_CONFIGURATION
    except ClusterError as error:
        print(error, file=wrong)
        return EXIT_INIT
    return 0
