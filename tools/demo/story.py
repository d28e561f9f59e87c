"""The demo from start to end: cluster, operator, an example that runs, one gang that cannot.

Everything it does can be repeated: a second run, or one after an interruption, finds what is
there and goes on.
"""

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from grove_operator.cli.picture import Picture, build_tree
from tools.demo import background
from tools.demo.background import OPERATOR, WEBHOOK, Background
from tools.demo.crds import install_crds
from tools.demo.picture import free_gpu_nodes, take_picture
from tools.demo.webhooks import register_webhooks, webhook_environment
from tools.localcluster import ClusterError, LocalCluster
from tools.localcluster.__main__ import DEFAULT_NAME, DEFAULT_WORKDIR
from tools.localcluster.__main__ import main as local_cluster_command
from tools.localcluster.api import ApiClient
from tools.localcluster.layout import cluster_names

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
KUBECONFIG = LOCAL / "kubeconfig"
EXAMPLE = ROOT / "examples" / "03-disaggregated" / "podcliqueset.yaml"
MISTAKE = "s/minAvailable: 1/minAvailable: 9/"
SET = "disagg"
GROUP = f"{SET}-0-decode"
UNIT_NODES = 4
"""Nodes that one more decode unit needs."""
NODES = 10
RACKS = 2
PATIENCE = 120.0
LOOK_EVERY = 0.25
INTERRUPTED = 130


class DemoError(Exception):
    """Something did not come about in time; the message says what was seen."""


@dataclass
class Demo:
    console: Console

    def run(self) -> None:
        started = time.monotonic()
        cluster = self._cluster()
        operator = self._operator(cluster)
        with cluster.api() as api:
            self._reset(cluster, api)
            self._prologue(cluster)
            self._first_act(cluster, api, operator)
            gang = self._second_act(cluster, api, operator)
        self._epilogue(gang, time.monotonic() - started)

    def _cluster(self) -> LocalCluster:
        self._title("A Kubernetes control plane, with simulated GPU nodes")
        self._say("No containers are run: etcd, API server, controllers and scheduler are plain")
        self._say("processes on this machine, and KWOK plays the nodes.")
        _localcluster("up", "--nodes", str(NODES), "--racks", str(RACKS))
        cluster = LocalCluster.open(DEFAULT_NAME, DEFAULT_WORKDIR)
        if cluster is None:
            raise DemoError("the control plane has ended again; try once more")
        self._say(f"Ready: {NODES} nodes of 8 GPUs in {RACKS} racks.")
        kinds = [name.partition(".")[0] for name in install_crds(cluster)]
        self._say(f"Installed: the CRDs {', '.join(kinds)}.")
        return cluster

    def _operator(self, cluster: LocalCluster) -> Background:
        self._title("The operator, and the webhook that checks what you apply")
        port = background.free_port()
        register_webhooks(cluster, port)
        webhook = background.start(WEBHOOK, cluster.kubeconfig, **webhook_environment(port))
        operator = background.start(OPERATOR, cluster.kubeconfig)
        for process in (operator, webhook):
            role = process.role
            self._say(
                f"The {role.name} is process {process.pid}. Log: {_shown(role.log_file)}, "
                f"metrics: {process.metrics}"
            )
        return operator

    def _reset(self, cluster: LocalCluster, api: ApiClient) -> None:
        """An earlier run's set may be scaled or half made: begin with none."""
        if take_picture(api, SET) is None:
            return
        self._say(f"Removing {SET} of an earlier run.")
        cluster.kubectl("delete", "podcliqueset", SET, "--wait=true", "--timeout=60s")
        selector = f"app.kubernetes.io/part-of={SET}"
        cluster.kubectl("wait", "--for=delete", "pods,pcsg,pclq", "-l", selector, "--timeout=60s")

    def _prologue(self, cluster: LocalCluster) -> None:
        self._title("A mistake is told when it is made")
        self._command(f"sed '{MISTAKE}' {_shown(EXAMPLE)} | kubectl apply -f -")
        _, before, after, _ = MISTAKE.split("/")
        try:
            cluster.kubectl("apply", "-f", "-", stdin=EXAMPLE.read_text().replace(before, after))
        except ClusterError as error:
            refusal = str(error).partition("denied the request: ")[2]
            self.console.print(Padding(Text(refusal or str(error), "yellow"), (0, 4)))
        else:
            raise DemoError("the webhook did not refuse a wrong manifest")

    def _first_act(self, cluster: LocalCluster, api: ApiClient, operator: Background) -> None:
        self._title("A disaggregated inference system: router, prefill units, decode unit")
        self._command(f"kubectl apply -f {_shown(EXAMPLE)}")
        start = time.monotonic()
        cluster.kubectl("apply", "-f", str(EXAMPLE))
        picture = self._follow(api, operator, lambda seen: seen.is_ready)
        seconds = time.monotonic() - start
        self._say(f"All {len(picture.pods)} pods are ready after {seconds:.1f} s.")

    def _second_act(self, cluster: LocalCluster, api: ApiClient, operator: Background) -> str:
        free = free_gpu_nodes(api)
        more = free // UNIT_NODES + 1
        gang = f"{GROUP}-{more - 1}"
        self._title("More than fits")
        self._say(f"{free} nodes are free, and a decode unit needs {UNIT_NODES}.")
        self._command(f"kubectl scale pcsg {GROUP} --replicas={1 + more}")
        cluster.kubectl("scale", "pcsg", GROUP, f"--replicas={1 + more}")
        picture = self._follow(api, operator, lambda seen: _is_refused(seen, gang))
        refused = picture.gang(gang)
        assert refused is not None
        placed = sum(bool(pod.node) for pod in refused.pods)
        self._say(
            f"Of the {len(refused.pods)} pods of {gang}, {placed} are on a node: "
            "half a unit would hold GPUs and serve nobody."
        )
        self._say("Why, as the gang's condition GangBlocked has it:")
        self.console.print(Padding(Text(refused.verdict, "yellow"), (0, 4)))
        others = [line for line in picture.gangs if line.name != gang]
        ready = sum(line.ready for line in others)
        self._say(f"What ran before still runs: {ready} pods ready.")
        return gang

    def _epilogue(self, gang: str, seconds: float) -> None:
        self._title(f"Done in {seconds:.0f} s. What to type next")
        tools = _shown(LOCAL / "bin")
        for command, why in (
            (f"export KUBECONFIG={_shown(KUBECONFIG)} PATH={tools}:$PATH", "once per shell"),
            ("kubectl get pcs,pcsg,pclq,pg", "everything at a glance"),
            ("kubectl grove tree", "who runs where"),
            (f"kubectl grove why pg/{gang}", "why that gang waits"),
            (f"kubectl scale pcsg {GROUP} --replicas=1", "take the waiting unit back"),
            (f"kubectl scale pcs {SET} --replicas=0", "free all nodes, keep the set"),
            (f"kubectl delete pcs {SET}", "remove it with all that belongs to it"),
            ("make demo-down", "stop operator and cluster"),
        ):
            self.console.print(f"  {command:<52} [dim]# {why}[/]", highlight=False, soft_wrap=True)

    def _follow(
        self,
        api: ApiClient,
        operator: Background,
        done: Callable[[Picture], bool],
    ) -> Picture:
        """Look until `done`, drawing what is seen; gives the last look."""
        looks = _Looks(api, operator, done)
        if self.console.is_terminal:
            # Cropped and wiped: a terminal may be too low for the tree, and scrolling breaks Live.
            with Live(
                console=self.console, auto_refresh=False, transient=True, vertical_overflow="crop"
            ) as live:
                for picture in looks:
                    live.update(build_tree(picture), refresh=True)
        else:
            said = ""
            for picture in looks:
                if (text := _progress(picture)) != said:
                    self._say(said := text)
        self.console.print(build_tree(looks.last))
        return looks.last

    def _title(self, text: str) -> None:
        self.console.print(f"\n[bold cyan]{text}[/]", highlight=False)

    def _say(self, text: str) -> None:
        self.console.print(f"  {text}", highlight=False, soft_wrap=True)

    def _command(self, text: str) -> None:
        self.console.print(f"  [bold]$ {text}[/]", highlight=False, soft_wrap=True)


def take_down(console: Console) -> None:
    for role in (OPERATOR, WEBHOOK):
        stopped = background.stop(role)
        console.print(f"The {role.name} is stopped." if stopped else f"No {role.name} was running.")
    there = DEFAULT_NAME in cluster_names(DEFAULT_WORKDIR)
    _localcluster("down")
    console.print("The cluster is removed." if there else "There was no cluster.")


def _localcluster(*arguments: str) -> None:
    """Run the local cluster's own command line, which also links kubectl into .local/bin.

    What it prints for its own users would only confuse ours.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        code = local_cluster_command(arguments)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code != 0:
        raise DemoError("the local cluster could not be changed; the reason stands above")


@dataclass
class _Looks:
    """Pictures that differ from the one before, until the goal is seen. Fails in words."""

    api: ApiClient
    operator: Background
    done: Callable[[Picture], bool]
    seen: Picture | None = None

    @property
    def last(self) -> Picture:
        assert self.seen is not None
        return self.seen

    def __iter__(self) -> "_Looks":
        return self

    def __next__(self) -> Picture:
        if self.seen is not None and self.done(self.seen):
            raise StopIteration
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.operator.check()
            picture = take_picture(self.api, SET)
            if picture is not None and picture != self.seen:
                self.seen = picture
                return picture
            time.sleep(LOOK_EVERY)
        state = _progress(self.seen) if self.seen else "nothing"
        log = _shown(OPERATOR.log_file)
        raise DemoError(f"nothing new for {PATIENCE:.0f} s; last seen: {state}. See {log}")


def _is_refused(picture: Picture, gang: str) -> bool:
    line = picture.gang(gang)
    complete = line is not None and len(line.pods) == line.wanted > 0
    return complete and line is not None and bool(line.verdict)


def _progress(picture: Picture) -> str:
    placed = sum(bool(pod.node) for pod in picture.pods)
    ready = sum(pod.ready for pod in picture.pods)
    return (
        f"{len(picture.gangs)} gangs, {len(picture.pods)} pods: {placed} placed, {ready} ready; "
        f"{picture.available} of {picture.replicas} replicas available"
    )


def _shown(path: Path) -> str:
    """As a reader in the project's folder would type it."""
    return str(path.relative_to(ROOT))
