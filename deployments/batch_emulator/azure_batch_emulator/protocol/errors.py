"""The service's errors: code, HTTP status, its words, and the details ("values") that say what exactly was wrong."""

from collections.abc import Mapping
from datetime import datetime

from azure_batch_emulator.protocol.call import JsonObject


class BatchError(Exception):
    """An error answer of the service; status and message are those of the table unless given."""

    def __init__(
        self,
        code: str,
        *,
        values: Mapping[str, str] | None = None,
        message: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        default_status, default_message = ERRORS.get(code, (500, "The server encountered an internal error."))
        self.code = code
        self.status = default_status if status is None else status
        self.message = default_message if message is None else message
        self.values = dict(values or {})
        self.retry_after = retry_after
        super().__init__(f"{code}: {self.message} {self.values or ''}".rstrip())


def error_body(error: BatchError, base_url: str, request_id: str, now: datetime) -> JsonObject:
    """The document of an error answer. It has no wrapper, and its message ends with request id and time."""
    text = f"{error.message}\nRequestId:{request_id}\nTime:{now:%Y-%m-%dT%H:%M:%S.%f}0Z"
    body: JsonObject = {
        "odata.metadata": f"{base_url}/$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element",
        "code": error.code,
        "message": {"lang": "en-US", "value": text},
    }
    if error.values:
        body["values"] = [{"key": key, "value": value} for key, value in error.values.items()]
    return body


def error_item(error: BatchError, request_id: str, now: datetime) -> JsonObject:
    """The same error inside another document, such as one result of a task collection."""
    body = error_body(error, "", request_id, now)
    del body["odata.metadata"]
    return body


_NOT_AUTHENTICATED = (
    "Server failed to authenticate the request. "
    "Make sure the value of Authorization header is formed correctly including the signature."
)

ERRORS: Mapping[str, tuple[int, str]] = {
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "MissingRequiredProperty": (400, "A required property was not specified in the request body."),
    "UnsupportedProperty": (400, "One of the properties specified in the request body is not supported."),
    "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
    "InvalidPropertyValue": (400, "The value provided for one of the properties in the request body is invalid."),
    "MissingRequiredQueryParameter": (400, "A required query parameter was not specified in the request."),
    "UnsupportedQueryParameter": (400, "One of the query parameters specified in the request is not supported."),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid",
    ),
    "OutOfRangeQueryParameterValue": (400, "A query parameter specified in the request is outside its range."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "InvalidRequestBody": (400, "The specified Request Body is not syntactically valid."),
    "UnsupportedRequestVersion": (400, "The specified service version for the request is not supported."),
    "AutoScalingFormulaSyntaxError": (400, "The specified autoscaling formula has a syntax error."),
    "AutoScalingFormulaTooLong": (400, "The autoscaling formula exceeds the maximum length allowed."),
    "TaskDependenciesNotSpecifiedOnJob": (
        400,
        "A task was specified with dependencies but the job did not specify that it would use task dependencies.",
    ),
    "TaskDependencyListTooLong": (400, "The dependency list specified by the task is too long."),
    "TaskDependencyRangesTooLong": (400, "The dependency ranges specified by the task are too long."),
    "AuthenticationFailed": (403, _NOT_AUTHENTICATED),
    "IOError": (403, "The file could not be read or removed."),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "PoolNotFound": (404, "The specified pool does not exist."),
    "NodeNotFound": (404, "The specified node does not exist."),
    "JobScheduleNotFound": (404, "The specified job schedule does not exist."),
    "JobNotFound": (404, "The specified job does not exist."),
    "TaskNotFound": (404, "The specified task does not exist."),
    "FileNotFound": (404, "The specified file does not exist."),
    "NodeUserNotFound": (404, "The specified node user does not exist."),
    "ApplicationNotFound": (404, "The specified application does not exist."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support the specified HTTP verb."),
    "OperationInvalidForCurrentState": (
        409,
        "The specified operation is not valid for the current state of the resource.",
    ),
    "PoolBeingDeleted": (409, "The specified pool has been marked for deletion and is being garbage collected."),
    "PoolBeingResized": (409, "The specified pool is being resized."),
    "NodeBeingCreated": (409, "The specified node is being created."),
    "NodeBeingStarted": (409, "The specified node is being started."),
    "NodeBeingReimaged": (409, "The specified node is being reimaged."),
    "NodeBeingRebooted": (409, "The specified node is being rebooted."),
    "JobScheduleBeingTerminated": (409, "The specified job schedule is being terminated."),
    "JobScheduleBeingDeleted": (
        409,
        "The specified job schedule has been marked for deletion and is being garbage collected.",
    ),
    "PoolExists": (409, "The specified pool already exists."),
    "JobScheduleExists": (409, "The specified job schedule already exists."),
    "NodeUserExists": (409, "The specified node user already exists."),
    "JobExists": (409, "The specified job already exists."),
    "JobScheduleCompleted": (409, "The specified job schedule has completed."),
    "JobBeingTerminated": (409, "The specified job is being terminated."),
    "JobBeingDeleted": (409, "The specified job has been marked for deletion and is being garbage collected."),
    "JobCompleted": (409, "The specified job is already in a completed state."),
    "TaskExists": (409, "The specified task already exists."),
    "TaskCompleted": (409, "The task is already complete."),
    "TaskNotCompleted": (409, "The task is not complete."),
    "TaskSucceeded": (409, "The task has completed successfully."),
    "TaskFilesUnavailable": (409, "The task files are unavailable because the node they are on is unavailable."),
    "TaskFilesCleanedup": (409, "The task files have been cleaned up from the node."),
    "ActiveJobAndScheduleQuotaReached": (409, "The account has reached its quota of active jobs and job schedules."),
    "PoolQuotaReached": (409, "The account has reached its quota of pools."),
    "JobPreparationTaskNotSpecified": (409, "The specified job does not have a job preparation task."),
    "TaskIdSameAsJobPreparationTask": (409, "The id of the task is the same as the id of the job preparation task."),
    "TaskIdSameAsJobReleaseTask": (409, "The id of the task is the same as the id of the job release task."),
    "JobWithSameIdExists": (409, "A job with the same id exists."),
    "JobScheduleWithSameIdExists": (409, "A job schedule with the same id exists."),
    "NodeAlreadyInTargetSchedulingState": (409, "The node is already in the requested scheduling state."),
    "OperationNotValidOnNode": (409, "The specified operation is not valid on the node."),
    "OperationNotValidOnPool": (409, "The specified operation is not valid on the pool."),
    "InvalidApplicationPackageReferences": (409, "One or more application package references are invalid."),
    "RequestBodyTooLarge": (413, "The size of the request body exceeds the maximum size permitted."),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "TooManyRequests": (429, "Too many requests were made. Please retry after some time."),
    "InternalError": (500, "The server encountered an internal error. Please retry the request."),
    "ServerBusy": (503, "The server is busy. Please retry the request."),
    "TooManyEnableAutoScaleRequests": (
        503,
        "Enabling autoscale was requested too often; it is allowed once in 30 seconds.",
    ),
}
