"""Containers of a storage account, made when they are missed."""

import threading
from collections.abc import Callable
from typing import TypeVar

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from tasks.lake.azure.calls import Calls
from tasks.lake.azure.errors import code

_T = TypeVar("_T")


class Containers:
    def __init__(self, client: BlobServiceClient, call: Calls) -> None:
        self._client = client
        self._call = call
        self._there: set[str] = set()
        self._making = threading.Lock()

    def make(self, name: str) -> None:
        """Before much is sent: a service that refuses it hangs up, and its answer is lost with what was on its way."""
        with self._making:
            if name not in self._there:
                self._call(f"Making the container {name}", lambda: self._make(name))
                self._there.add(name)

    def within(self, name: str, action: Callable[[], _T]) -> _T:
        """What a small request returns, which costs no other request where the container is there."""
        try:
            return action()
        except ResourceNotFoundError as error:
            if code(error) != "ContainerNotFound":
                raise
        self._make(name)
        return action()

    def _make(self, name: str) -> None:
        # An identity may be allowed to write into containers, and not to make them.
        if self._client.get_container_client(name).exists():
            return
        try:
            self._client.create_container(name)
        except ResourceExistsError as error:
            if code(error) != "ContainerAlreadyExists":
                raise
