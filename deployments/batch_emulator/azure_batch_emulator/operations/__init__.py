"""The 72 operations of the data plane, by the name of the SDK's method: the functions of that name in these modules."""

from collections.abc import Awaitable, Callable, Mapping

from azure_batch_emulator.engine.state import State
from azure_batch_emulator.operations import accountwide, files, jobs, node_agent, nodes, pools, schedules, tasks
from azure_batch_emulator.protocol.call import Answer, Call
from azure_batch_emulator.protocol.routes import ROUTES

_FUNCTIONS = {
    name: function
    for module in (accountwide, files, jobs, node_agent, nodes, pools, schedules, tasks)
    for name, function in vars(module).items()
}

OPERATIONS: Mapping[str, Callable[[State, Call], Answer | Awaitable[Answer]]] = {
    route.operation: _FUNCTIONS[route.operation.removeprefix("_").removesuffix("_internal")] for route in ROUTES
}
