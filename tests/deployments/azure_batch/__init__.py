"""The work pool and its launcher. Below: the traps of Prefect's worker contract and the defects of other workers,
and where it is shown that each is avoided.

Of Prefect's contract
- a falsy template or variable is dropped, one that an old work pool does not have, one that is dotted, a TypeError in
  `prepare_for_flow_run` that is masked: `configuration/test_job_configuration`
- an early return voids `--limit` and `--run-once`; an ad hoc run has no identifier; `kill_infrastructure` is not
  reached; clean-up is done one at a time; a run is submitted again under the same id: `test_worker`
- a deleted flow run, a deleted deployment, or a Prefect that is away, ends the worker: `test_worker`; an error of the
  moment crashes a run, or one of `.submit()` stays Pending when it cannot be uploaded: `ad_hoc_runs/test_preparation`
- `prefect deploy` stores in clear what it resolves: `configuration/test_named_blocks`
- an exception after `started()` leaves the run Running: `observation/test_observer`
- exit code 0 says nothing: `observation/test_reporter`; a failure without one is no success: `service/test_diagnosis`
- `propose_state` raises a BaseException; final, paused, rescheduled and cancelled runs are marked Crashed:
  `prefect_api/test_runs`
- nothing is adopted after a restart: `reconciliation/test_reconciler`
- too many submissions at once starve Prefect's client: `submission/test_concurrency`
- cancelled while it waits, requeued after preemption: `test_flow_runs`; requeued and executed again: `batch_launcher`

Of other workers
- the API key in clear, a KeyError without one, the worker's home in the task: `configuration/test_environment`
- variables that are used nowhere, configuration that is changed in place, names that are too long or new at each look:
  `submission/test_task`, `service/test_identifiers`
- a POST with 429, a full quota as 409, TaskExists, an ambiguous failure, a job being deleted:
  `submission/test_task_queue`
- an identifier that is not complete, kill with another account: `test_worker`
- one call and one thread per run: `observation/test_observer`
- the cloud's SDK is imported with the collection, the type is not found by the command line: `test_entry_point`
"""
