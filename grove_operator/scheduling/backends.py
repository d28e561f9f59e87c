"""Chooses the backend of a set by the scheduler of its pods and the operator's profiles."""

from grove_operator.admission.schedulers import KAI, VOLCANO
from grove_operator.api.labels import DEFAULT_SCHEDULER
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.scheduling.backend import Backend
from grove_operator.scheduling.kai import Kai
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.passive import Passive
from grove_operator.scheduling.stock import Stock
from grove_operator.scheduling.volcano import Volcano


def backend_of(blueprint: SetBlueprint, capabilities: Capabilities) -> Backend:
    """Cheap enough to be asked at each look."""
    name, profiles = blueprint.scheduler, capabilities.profiles
    if name == DEFAULT_SCHEDULER:
        return Stock(capabilities)
    if name == KAI and KAI in profiles.enabled:
        return Kai(profiles)
    if name == VOLCANO and VOLCANO in profiles.enabled:
        return Volcano(profiles)
    return Passive(profiles)
