"""Files of readings, and a mapping for them."""
import json


def stream_file(streams, readings, wrong=()):
    """Streams s0, s1, ... one after the other, reading n of stream s at minute n with value n * 10 + s."""
    return [{"uuid": f"s{s}", "Readings": [("bad" if (s, n) in wrong else [n * 60_000, n * 10 + s]) for n in range(readings)]}
            for s in range(streams)]


STREAMS = {"s0": {"target": "celsius"}, "s1": {"target": "humidity", "type": "integer"}, "s2": {"target": "celsius"}}


def stream_map(c, **more):
    (c.folder / "map.json").write_text(json.dumps({"files": [
        {"pattern": "*.json*", "timestamp": {"target": "at", "format": "unix_ms"},
         "stream_map": {"id_target": "stream", "streams": STREAMS, **more}},
        {"pattern": "*.csv", "timestamp": {"column": "at"},
         "columns": [{"source": "stream"}, {"source": "celsius", "type": "double"}]}]}))
