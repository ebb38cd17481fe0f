"""Groups and messages in MongoDB, in place of SQLite: `CHAT_STORE=mongodb://host:27017/chat`.

The same methods as `storage.Storage`, with the same meaning; every one blocks and may be called from any thread.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import pymongo
from pymongo.errors import DuplicateKeyError, PyMongoError

from .samples import GROUPS, PEOPLE
from .storage import DAY, KEPT_MESSAGES, PRUNE_EVERY, ConflictError, Group, Message, rfc3339, sample_messages, slug

TIMEOUT_MS: Final = 2_000
TOP_GROUPS: Final = 10
NEWEST: Final = -1

Document = Mapping[str, Any]


class MongoStorage:
    """One database of a MongoDB; that of the URL, or `chat`. At most about `keep` messages are kept."""

    failure: type[Exception] = PyMongoError

    def __init__(self, url: str, clock: Callable[[], float] = time.time, keep: int = KEPT_MESSAGES) -> None:
        self.path = re.sub(r"//[^@/]*@", "//", url.partition("?")[0])  # what the log may say of it
        self._url = url
        self._clock = clock
        self._keep = keep
        self._client: pymongo.MongoClient[dict[str, Any]] | None = None

    def open(self) -> None:
        """Connect, make the indexes, and put sample groups and messages into an empty database."""
        self._client = pymongo.MongoClient(
            self._url, timeoutMS=TIMEOUT_MS, serverSelectionTimeoutMS=TIMEOUT_MS, tz_aware=True
        )
        self._messages.create_index([("group_id", 1), ("_id", NEWEST)])
        self._messages.create_index("created_at")
        self._seed()

    def close(self) -> None:
        """Let go of the connections. Closing twice is harmless."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def _database(self) -> Any:
        if self._client is None:
            raise RuntimeError("the storage is not open; the application opens it when it starts")
        return self._client.get_default_database("chat")

    @property
    def _groups(self) -> Any:
        return self._database["groups"]

    @property
    def _messages(self) -> Any:
        return self._database["messages"]

    def add_group(self, name: str, owner: str) -> Group:
        """Make a group; its id is its name in a form fit for a URL. Raises ConflictError if that is taken."""
        made = {"_id": slug(name), "name": name, "owner": owner, "created_at": self._now()}
        try:
            self._groups.insert_one(made)
        except DuplicateKeyError as error:
            raise ConflictError(f"there is a group {made['_id']} already") from error
        return _group(made)

    def group(self, group_id: str) -> Group | None:
        """The group of this id."""
        found = self._groups.find_one({"_id": group_id})
        return _group(found) if found else None

    def groups(self, limit: int, offset: int) -> list[Group]:
        """Groups, the newest first."""
        found = self._groups.find().sort([("created_at", NEWEST), ("_id", 1)]).skip(offset).limit(limit)
        return [_group(each) for each in found]

    def count_messages(self, group_id: str) -> int:
        """How many messages of a group are not deleted."""
        return int(self._messages.count_documents({"group_id": group_id, "is_deleted": False}))

    def add_message(self, group_id: str, author: str, text: str) -> Message:
        """Store one message; now and then the oldest of all are pruned."""
        number = self._next(1)
        made = {"_id": number, "group_id": group_id, "author": author, "text": text, "created_at": self._now()}
        self._messages.insert_one({**made, "is_deleted": False})
        if number % PRUNE_EVERY == 0:
            self._messages.delete_many({"_id": {"$lte": number - self._keep}})
        return _message(made)

    def _next(self, many: int) -> int:
        """The last of so many numbers that nobody else gets."""
        counter = self._database["counters"].find_one_and_update(
            {"_id": "messages"}, {"$inc": {"last": many}}, upsert=True, return_document=pymongo.ReturnDocument.AFTER
        )
        return int(counter["last"])

    def message(self, message_id: int) -> Message | None:
        """The message of this id, unless it is deleted."""
        found = self._messages.find_one({"_id": message_id, "is_deleted": False})
        return _message(found) if found else None

    def messages(self, group_id: str, limit: int, before: int | None = None) -> list[Message]:
        """Messages of a group, the newest first, those before a message id if one is given."""
        wanted: dict[str, Any] = {"group_id": group_id, "is_deleted": False}
        if before is not None:
            wanted["_id"] = {"$lt": before}
        return [_message(each) for each in self._messages.find(wanted).sort("_id", NEWEST).limit(limit)]

    def delete_message(self, message_id: int) -> bool:
        """Mark a message as deleted; False if there is none to mark."""
        changed = self._messages.update_one({"_id": message_id, "is_deleted": False}, {"$set": {"is_deleted": True}})
        return bool(changed.modified_count)

    def search(self, text: str, limit: int) -> list[Message]:
        """Messages that contain a text, upper and lower case alike, the newest first."""
        wanted = {"text": {"$regex": re.escape(text), "$options": "i"}, "is_deleted": False}
        return [_message(each) for each in self._messages.find(wanted).sort("_id", NEWEST).limit(limit)]

    def batch(self, after: int, limit: int) -> list[Message]:
        """Messages after a message id, the oldest first."""
        wanted = {"_id": {"$gt": after}, "is_deleted": False}
        return [_message(each) for each in self._messages.find(wanted).sort("_id", 1).limit(limit)]

    def statistics(self) -> dict[str, Any]:
        """The `database` section of the dashboard, as `Storage` has it; the busiest groups by one aggregation."""
        yesterday = {"created_at": {"$gte": self._now() - timedelta(days=1)}}
        groups, total = self._groups.estimated_document_count(), self._messages.estimated_document_count()
        deleted = self._messages.count_documents({"is_deleted": True})
        names = {each["_id"]: each["name"] for each in self._groups.find()}
        top = self._messages.aggregate(
            [
                {"$match": {"is_deleted": False}},
                {
                    "$group": {
                        "_id": "$group_id",
                        "message_count": {"$sum": 1},
                        "last_message": {"$max": "$created_at"},
                    }
                },
                {"$sort": {"message_count": NEWEST, "_id": 1}},
                {"$limit": TOP_GROUPS},
            ]
        )
        return {
            "total_groups": groups,
            "total_messages": total,
            "active_messages": total - deleted,
            "deleted_messages": deleted,
            "deletion_rate_percent": round(100 * deleted / total, 2) if total else 0.0,
            "avg_messages_per_group": round(total / groups, 2) if groups else 0.0,
            "last_24h": {
                "new_groups": self._groups.count_documents(yesterday),
                "new_messages": self._messages.count_documents(yesterday),
            },
            "top_active_groups": [_busy(each, names) for each in top],
            "server": self._server(),
        }

    def _server(self) -> dict[str, Any]:
        status = self._database.client.admin.command("serverStatus")
        connections = status.get("connections", {}).get("current")
        return {"version": status.get("version"), "uptime_seconds": status.get("uptime"), "connections": connections}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _seed(self) -> None:
        """Fill an empty database; of workers that start together the one that can say so does it."""
        try:
            self._database["counters"].insert_one({"_id": "seeded", "last": 0})
        except DuplicateKeyError:
            return
        random, now = Random(1), self._clock()
        ages = [(30 - 4.2 * rank) * DAY for rank in range(len(GROUPS))]
        self._groups.insert_many(
            {"_id": slug(name), "name": name, "owner": random.choice(PEOPLE), "created_at": _moment(now - age)}
            for name, age in zip(GROUPS, ages, strict=True)
        )
        talk = sample_messages(random, now, ages)
        first = self._next(len(talk)) - len(talk) + 1
        self._messages.insert_many(
            {
                "_id": first + place,
                "group_id": group_id,
                "author": author,
                "text": text,
                "created_at": _moment(at),
                "is_deleted": bool(gone),
            }
            for place, (group_id, author, text, at, gone) in enumerate(talk)
        )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _group(found: Document) -> Group:
    return Group(found["_id"], found["name"], found["owner"], rfc3339(found["created_at"].timestamp()))


def _message(found: Document) -> Message:
    at = rfc3339(found["created_at"].timestamp())
    return Message(found["_id"], found["group_id"], found["author"], found["text"], at)


def _busy(row: Document, names: Mapping[str, str]) -> dict[str, Any]:
    group_id = row["_id"]
    return {
        "group_id": group_id,
        "group_name": names.get(group_id, group_id),
        "message_count": row["message_count"],
        "last_message": rfc3339(row["last_message"].timestamp()),
    }
