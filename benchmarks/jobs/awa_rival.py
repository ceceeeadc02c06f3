"""The cases noop, latency, make, hold and heirs of bench-jobs with awa-pg. Prints one line of JSON."""
import argparse
import asyncio
import dataclasses
import json
import statistics
import time

import awa


@dataclasses.dataclass
class Unit:
    number: int
    created: float


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", choices=["noop", "latency", "make", "hold", "heirs"])
    parser.add_argument("--store")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--units", type=int, default=1)
    parser.add_argument("--interval", type=int, default=5)
    parser.add_argument("--lease", type=int, help="ms until a worker counts as dead; without it awa's own defaults")
    options = parser.parse_args()
    client = awa.AsyncClient(options.store, max_connections=options.workers + 4)
    if options.case not in ("hold", "heirs"):  # several at once would deadlock, and "make" has done it
        await client.migrate()
        await client.install_queue_storage()
    delays, ended = [], asyncio.Event()

    @client.task(Unit, queue="bench")
    async def handle(job):
        if options.case == "hold":
            print("begun", flush=True)
            await asyncio.Event().wait()
        delays.append((time.time() if options.case == "heirs" else (time.time() - job.args.created) * 1000))
        if len(delays) == options.units:
            ended.set()

    async def wait_until_stored():
        """Until the database knows that all have ended, as `finish` does."""
        while True:
            stats = [one for one in await client.queue_stats() if one.queue == "bench"]
            if stats and stats[0].available == 0 and stats[0].running == 0:
                return
            await asyncio.sleep(0.002)

    # The same ratios as those of the library's lease and heartbeats.
    beats = {} if options.lease is None else {"heartbeat_interval_ms": options.lease // 3, "heartbeat_staleness_ms": options.lease,
                                              "heartbeat_rescue_interval_ms": 1000}
    if options.case == "make":
        await client.enqueue_many_copy([Unit(i, time.time()) for i in range(options.units)], queue="bench")
        return
    if options.case == "hold":
        await client.start([("bench", 1)], **beats)
        await asyncio.Event().wait()
    if options.case == "heirs":
        await client.start([("bench", options.workers)], **beats)
        await ended.wait()
        await wait_until_stored()
        await client.shutdown()
        print(json.dumps({"claimed": delays}))
        return
    if options.case == "noop":
        await client.enqueue_many_copy([Unit(i, time.time()) for i in range(options.units)], queue="bench")
        begin = time.monotonic()
        await client.start([("bench", options.workers)])
        await ended.wait()
        seconds = time.monotonic() - begin
        await wait_until_stored()
        result = {"units_per_second": options.units / seconds, "seconds_until_stored": time.monotonic() - begin}
    else:
        await client.start([("bench", options.workers)])
        await asyncio.sleep(1)
        due = time.monotonic()
        for number in range(options.units):
            await asyncio.sleep(max(0, due - time.monotonic()))
            await client.insert(Unit(number, time.time()), queue="bench")
            due += options.interval / 1000
        await ended.wait()
        cuts = statistics.quantiles(delays, n=100)
        result = {"interval_ms": options.interval, "creation_to_claim_p50_p99_ms": [cuts[49], cuts[98]]}
    await client.shutdown()
    print(json.dumps({"case": options.case, "workers": options.workers, "units": options.units} | result))


asyncio.run(main())
