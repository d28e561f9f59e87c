from pathlib import Path

import pytest

from grove_operator.errors import SettingsError
from grove_operator.settings import Settings, StatusWrites, load_settings
from tools.settings_doc import PAGE, entries, page

FILE = """
apiVersion: operator.config.grove.io/v1alpha1
kind: OperatorConfiguration
runtimeClientConnection: {qps: 100, burst: 150}
leaderElection:
  enabled: true
  leaseDuration: 30s
  renewDeadline: 20s
  retryPeriod: 4s
  resourceNamespace: grove-system
server:
  healthProbes: {port: 9444}
  metrics: {port: 9445}
  webhooks: {port: 9443, certProvisionMode: manual}
controllers:
  podCliqueSet: {concurrentSyncs: 3}
logLevel: debug
network: {autoMNNVLEnabled: true}
debugging: null
scheduler:
  profiles: [{name: kai-scheduler, config: {any: thing}}]
  defaultProfileName: kai-scheduler
authorizer: {enabled: true, reconcilerServiceAccountUserName: "x"}
clusterTopology: {enabled: true}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_defaults_are_groves_without_a_rate_limit() -> None:
    settings = load_settings(None, {})
    assert settings == Settings()
    assert settings.runtime_client_connection.qps is None
    assert settings.leader_election.enabled is False
    assert settings.leader_election.lease_duration == 15
    assert settings.server.webhooks.port == 2750
    assert settings.server.health_probes.port == 2751
    assert settings.server.metrics.port == 2752
    assert settings.controllers.pod_clique_set.concurrent_syncs == 10
    assert settings.controllers.pod_gang.concurrent_syncs == 5
    assert settings.debugging is None
    assert [profile.name for profile in settings.scheduler.profiles] == ["default-scheduler"]
    assert settings.status == StatusWrites(quiet_period=0.25, max_delay=1.0)


def test_reads_groves_file(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, FILE), {})
    assert settings.runtime_client_connection.qps == 100
    assert settings.leader_election.renew_deadline == 20
    assert settings.leader_election.resource_namespace == "grove-system"
    assert settings.server.health_probes.port == 9444
    assert settings.controllers.pod_clique_set.concurrent_syncs == 3
    assert settings.controllers.pod_clique.concurrent_syncs == 10
    assert settings.network.auto_mnnvl_enabled
    assert settings.scheduler.default_profile_name == "kai-scheduler"
    assert [p.name for p in settings.scheduler.profiles] == ["kai-scheduler", "default-scheduler"]
    assert settings.scheduler.profiles[0].config == {"any": "thing"}


def test_keys_that_mean_nothing_are_named(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, FILE), {})
    assert settings.unknown_keys == (
        "authorizer.reconcilerServiceAccountUserName",
        "clusterTopology",
    )


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    env = {
        "GROVE_LOG_LEVEL": "error",
        "GROVE_LEADER_ELECTION__ENABLED": "false",
        "GROVE_STATUS__QUIET_PERIOD": "1s500ms",
        "GROVE_INIT_CONTAINER_IMAGE": "registry.example/waiter",
        "GROVE_SCHEDULER__PROFILES": '[{"name": "volcano"}]',
        "GROVE_SCHEDULER__DEFAULT_PROFILE_NAME": "volcano",
        "UNRELATED": "x",
    }
    settings = load_settings(write(tmp_path, FILE), env)
    assert settings.log_level == "error"
    assert settings.leader_election.enabled is False
    assert settings.leader_election.lease_duration == 30
    assert settings.status.quiet_period == 1.5
    assert settings.init_container_image == "registry.example/waiter"
    assert settings.scheduler.default_profile_name == "volcano"


def test_an_empty_list_of_profiles_overrules_the_default_name(tmp_path: Path) -> None:
    text = "scheduler: {profiles: [], defaultProfileName: kai-scheduler}"
    assert load_settings(write(tmp_path, text), {}).scheduler.default_profile_name == (
        "default-scheduler"
    )


def test_election_is_checked_only_when_enabled(tmp_path: Path) -> None:
    text = "leaderElection: {enabled: false, leaseDuration: 1s, resourceLock: endpoints}"
    assert load_settings(write(tmp_path, text), {}).leader_election.lease_duration == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("logLevel: loud", "logLevel: must be 'debug', 'info' or 'error' (is 'loud')"),
        ("logFormat: xml", "logFormat: must be 'json' or 'text'"),
        (
            "leaderElection: {leaseDuration: 15}",
            "leaderElection.leaseDuration: write a duration as text",
        ),
        (
            "leaderElection: {leaseDuration: 15x}",
            "leaderElection.leaseDuration: time: unknown unit",
        ),
        (
            "leaderElection: {enabled: true, leaseDuration: 5s}",
            "leaderElection: retryPeriod must be above 0",
        ),
        (
            "leaderElection: {enabled: true, resourceLock: endpoints}",
            "leaderElection: resourceLock must be leases",
        ),
        ("leaderElection: {enabled: true, resourceName: ''}", "resourceName must not be empty"),
        ("runtimeClientConnection: {burst: -1}", "runtimeClientConnection.burst: must be greater"),
        (
            "controllers: {podClique: {concurrentSyncs: 0}}",
            "controllers.podClique.concurrentSyncs: must be greater than 0 (is 0)",
        ),
        ("server: {metrics: {port: 70000}}", "server.metrics.port: must be less than"),
        (
            "server: {webhooks: {certProvisionMode: magic}}",
            "server.webhooks.certProvisionMode: must be 'auto' or 'manual'",
        ),
        ("scheduler: {profiles: [{name: best}]}", "scheduler.profiles[0].name: must be"),
        (
            "scheduler: {profiles: [{name: kai-scheduler, config: {podGroups: Mine}}]}",
            "scheduler.profiles[0]: config.podGroups must be Operator or PodGrouper",
        ),
        (
            "scheduler: {profiles: [{name: volcano}, {name: volcano}]}",
            "scheduler: profiles must not name a scheduler twice",
        ),
        (
            "scheduler: {profiles: [{name: volcano}], defaultProfileName: kai-scheduler}",
            "scheduler: defaultProfileName must be one of the profiles",
        ),
        ("scheduler: many", "scheduler: "),
        ("kind: Deployment", "kind must be OperatorConfiguration"),
        ("apiVersion: v1", "apiVersion must be operator.config.grove.io/v1alpha1"),
        ("- a list", "must hold one object"),
        ("a: [", "is not YAML"),
    ],
)
def test_wrong_values_name_their_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, text), {})
    assert says in str(caught.value)


def test_a_missing_file_and_broken_json_in_the_environment(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "absent.yaml", {})
    with pytest.raises(SettingsError, match="environment"):
        load_settings(None, {"GROVE_SCHEDULER__PROFILES": "[{"})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().log_level = "debug"  # type: ignore[misc]


def test_keys_without_effect_are_told_if_they_are_given(tmp_path: Path) -> None:
    text = """
runtimeClientConnection: {qps: 5, contentType: json}
controllers: {podGang: {concurrentSyncs: 5}}
debugging: {enableProfiling: true}
"""
    assert load_settings(None, {}).idle_keys == {}
    told = load_settings(write(tmp_path, text), {"GROVE_DEBUGGING__PPROF_BIND_PORT": "1"}).idle_keys
    assert list(told) == [
        "runtimeClientConnection.contentType",
        "debugging.enableProfiling",
        "debugging.pprofBindPort",
        "controllers.podGang.concurrentSyncs",
    ]
    assert told["debugging.enableProfiling"] == "there is no profiler to serve"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_page_tells_of_every_section() -> None:
    rows = {entry.key: entry.default for entry in entries()}
    assert rows["controllers.podGang.concurrentSyncs"] == "`5`"
    assert rows["cache.inactivityTimeout"] == "`1m30s`"
    assert rows["debugging.pprofBindPort"] == "`2753`"
    assert rows["scheduler.defaultProfileName"] == "`default-scheduler`"
    assert rows["scheduler.profiles[].name"] == ""
