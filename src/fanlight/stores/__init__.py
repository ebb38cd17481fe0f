"""Where frames and commands outlive the process."""

from fanlight.stores.base import (
    Acknowledgement,
    Command,
    InstanceInfo,
    RefusedError,
    Store,
    StoredFrame,
    all_frames,
)
from fanlight.stores.memory import MemoryStore
from fanlight.stores.opening import open_default, open_store
from fanlight.stores.writer import StoreWriter

__all__ = [
    "Acknowledgement",
    "Command",
    "InstanceInfo",
    "MemoryStore",
    "RefusedError",
    "Store",
    "StoreWriter",
    "StoredFrame",
    "all_frames",
    "open_default",
    "open_store",
]
