"""What a person can do about a task that failed: by its exit code, and by the service's own code."""

from typing import Literal

from batch_launcher.exit_codes import ExitCode

Category = Literal["success", "exit", "image", "command", "time-limit", "terminated", "file", "service", "unknown"]

BY_EXIT_CODE: dict[int, str] = {
    ExitCode.EXECUTING_ELSEWHERE: (
        "The flow was being executed elsewhere, and that execution has shown no sign of life since."
    ),
    ExitCode.SECOND_EXECUTION: (
        "It was begun on a node that was lost; with another on_requeue than `crash` it would have been executed again."
    ),
    ExitCode.CONFIGURATION: "The launcher misses a variable, or one makes no sense: see what it printed.",
    ExitCode.SECRET_REFUSED: (
        "Key Vault refused a secret: check the reference, and that the pool's identity may read it."
    ),
    ExitCode.VAULT_UNAVAILABLE: "Key Vault could not be reached from the node: check the pool's network.",
    ExitCode.API_REFUSED: (
        "Prefect's API refused the launcher: check PREFECT_API_KEY and PREFECT_API_AUTH_STRING of the work pool."
    ),
    ExitCode.API_UNAVAILABLE: (
        "Prefect's API could not be reached from the node: check PREFECT_API_URL, and the pool's network."
    ),
    125: "The container could not be started: check the image, its entry point and the container options.",
    ExitCode.NOT_EXECUTABLE: "The command was found but may not be executed: check its permissions.",
    ExitCode.NOT_FOUND: "The command was not found: check the command, and that Prefect is in the image.",
    137: "The process was killed, most likely for lack of memory: give it more memory, or a larger VM size.",
    143: "The process was asked to end (SIGTERM), as when its node is shut down.",
}
# In lower case: the service varies it.
BY_SERVICE_CODE: dict[str, tuple[Category, str]] = {
    "containerinvalidimage": ("image", "Check the name of the image."),
    "containerimagenotfound": ("image", "Check the image's name and tag, and that the registry has it."),
    "containerregistryauthfailed": (
        "image",
        "Check the job variable registry: its identity may not pull, or password.",
    ),
    "containerpullfailed": ("image", "Check the image's name, the registry, and that the nodes can reach it."),
    "commandprogramnotfound": ("command", "Check the command; it is run without a shell."),
    "commandlaunchfailed": ("command", "Check the command; it is run without a shell."),
    "blobaccessdenied": ("file", "Check the signature or the identity that the files are read or written with."),
    "blobnotfound": ("file", "Check the names of the files that the task needs."),
    "fileuploadaccessdenied": ("file", "Check that the identity may write to the container of uploads."),
    "fileuploadcontainernotfound": ("file", "Create the blob container that uploads names."),
}
