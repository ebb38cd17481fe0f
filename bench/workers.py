"""How soon every worker shows the exact totals: `python bench/workers.py [--quick]`.

Four workers of one service on this host, their store in SQLite. 10,000 requests over kept connections and as many over
connections of their own; after the last answer all workers are asked again and again. Timed is when the last of them
tells the exact total (budget: 1.5 s). Then their percentiles are compared with those of one histogram, merged from what
is in the store.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from fanlight.core.cell import Cell
from fanlight.core.frame import Frame
from fanlight.faces.figures import milliseconds
from fanlight.stores import open_store
from service import START_SECONDS, Service, quantile, running

WORKERS: Final = 4
BUDGET_SECONDS: Final = 1.5
CLIENTS: Final = 4

Connections = dict[int, http.client.HTTPConnection]


def main() -> int:
    """Print the figures; 1 when a total or a percentile is not exact."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,000 requests and 3 rounds instead of 20,000 and 10")
    quick = parser.parse_args().quick
    print(f"{WORKERS} workers, load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FANLIGHT_STORE"] = url = f"sqlite:///{folder}/bench.db"
        with running(WORKERS) as service:
            workers = each_worker(service)
            sent = max(counted(workers).values())
            taken = []
            for asked, kind in plan(quick):
                sent += asked
                taken.append(waited(service, workers, sent, kind))
            said = [document(each)["performance"]["last_15_minutes"] for each in workers.values()]
            service.stop()
        merged = histogram(url)
    report(taken)
    ours = [milliseconds(value) for value in merged.quantiles((0.5, 0.95, 0.99))]
    same = all([each["count"], each["p50_ms"], each["p95_ms"], each["p99_ms"]] == [sent, *ours] for each in said)
    print(f"percentiles of each worker are those of one merged histogram of {sent} requests: {'yes' if same else 'NO'}")
    return 0 if same else 1


def plan(quick: bool) -> list[tuple[int, Callable[[Service, int], None]]]:
    """How many requests of which kind, one after the other."""
    first, later, rounds = (1_000, 200, 3) if quick else (10_000, 500, 10)
    return [(first, kept), (first, fresh), *[(later, kept), (later, fresh)] * rounds]


def kept(service: Service, requests: int) -> None:
    """Requests over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=START_SECONDS)
    for number in range(requests):
        connection.request("GET", f"/kept/{number}")
        connection.getresponse().read()
    connection.close()


def fresh(service: Service, requests: int) -> None:
    """Requests over connections of their own."""
    for number in range(requests):
        service.ask(f"/fresh/{number}")


def waited(service: Service, workers: Connections, total: int, kind: Callable[[Service, int], None]) -> float:
    """Have requests made up to a total; seconds from the last answer until every worker tells it."""
    missing = total - max(counted(workers).values())
    clients = [threading.Thread(target=kind, args=(service, missing // CLIENTS)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients):
        time.sleep(1)
        for connection in workers.values():  # or the server closes them
            answer(connection, "/dashboard/api/openapi.json")
    kind(service, missing % CLIENTS)
    ended = time.perf_counter()
    left = dict(workers)
    while left:
        for pid, told in counted(left).items():
            if told >= total:
                assert told == total, f"a worker tells {told} of {total} requests"
                del left[pid]
        assert time.perf_counter() < ended + START_SECONDS, "the totals never agreed"
    return time.perf_counter() - ended


def each_worker(service: Service) -> Connections:
    """A kept connection to every worker, by its pid."""
    found: Connections = {}
    while len(found) < WORKERS:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=START_SECONDS)
        connection.request("GET", "/pid")
        pid = int(connection.getresponse().read())
        if pid in found:
            connection.close()
        else:
            found[pid] = connection
    time.sleep(BUDGET_SECONDS)
    return found


def answer(connection: http.client.HTTPConnection, path: str) -> Any:
    """A document of a worker."""
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


def document(connection: http.client.HTTPConnection) -> dict[str, Any]:
    """What a worker says of all of them."""
    made: dict[str, Any] = answer(connection, "/dashboard/api/data")
    return made


def counted(workers: Connections) -> dict[int, int]:
    """The total of all requests, as each worker tells it."""
    return {pid: document(each)["performance"]["total_requests"] for pid, each in workers.items()}


def histogram(url: str) -> Cell:
    """All requests in the store in one histogram."""
    store, cell = open_store(url), Cell()
    for blob in store.totals("bench").values():
        cell.add(Frame.decode(blob).totals.get("requests", Cell()))
    store.close()
    return cell


def report(taken: list[float]) -> None:
    """The figures in milliseconds."""
    p50, p95, worst = (1e3 * quantile(taken, share) for share in (0.5, 0.95, 1))
    verdict = "met" if worst <= 1e3 * BUDGET_SECONDS else "MISSED"
    print(f"exact from every worker, {len(taken)} times: p50 {p50:.0f} ms, p95 {p95:.0f} ms, worst {worst:.0f} ms")
    print(
        f"after the first {1e3 * taken[0]:.0f} ms, after as many fresh {1e3 * taken[1]:.0f} ms; budget 1500: {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
