"""Reads the logs of a training with the packages that they are meant for, and prints what is there.

    pip install tensorboard wandb
    python scripts/check_logs.py logs [...]

For each TensorBoard directory below the paths: tags, numbers of points, first and last point. For each run of
Weights & Biases: its records, checked one by one against `Record` of wandb, and what `wandb sync` sends for a copy
of it, to a server on this machine that only listens. The exit code is 1 if nothing was found or something is wrong.
Tried with tensorboard 2.21 and wandb 0.31.
"""

import argparse
import collections
import http.server
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path


def check_tensorboard(directory):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator, TENSORS

    events = EventAccumulator(str(directory), size_guidance={"scalars": 0, TENSORS: 0})
    events.Reload()
    print(f"TensorBoard {directory}")
    for tag in events.Tags()["scalars"]:
        points = events.Scalars(tag)
        steps = [point.step for point in points]
        assert steps == sorted(set(steps)), f"{tag}: steps {steps} are not increasing"
        first, last = points[0], points[-1]
        print(f"  {tag}: {len(points)} points, {first.step}: {first.value:.6g} ... {last.step}: {last.value:.6g}")
    for tag in events.Tags()["tensors"]:
        text = events.Tensors(tag)[0].tensor_proto.string_val[0].decode()
        print(f"  {tag}: a text of {len(text.splitlines())} lines")
    assert events.Tags()["scalars"], "no scalars"


def records(path):
    """Payloads of a log in the format of LevelDB with the checksums of zlib."""
    data, block = path.read_bytes(), 32768
    assert data[:7] == b":W&B\xe1\xbe\x00", "not the header of a .wandb file"
    at, pieces = 7, []
    while at < len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, at)
        piece = data[at + 7 : at + 7 + length]
        assert len(piece) == length, f"cut short at {at}"
        assert zlib.crc32(bytes([kind]) + piece) == checksum, f"wrong checksum at {at}"
        assert (kind in (1, 2)) == (not pieces), f"piece of kind {kind} at {at}"
        pieces.append(piece)
        at += 7 + length
        if kind in (1, 4):
            yield b"".join(pieces)
            pieces = []
    assert not pieces, "the last record is not whole"


def check_wandb(path):
    from wandb.proto import wandb_internal_pb2

    kinds, rows = collections.Counter(), []
    for number, payload in enumerate(records(path), 1):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(payload)
        kind = record.WhichOneof("record_type")
        assert kind and record.num == number, f"record {number}: {kind}, number {record.num}"
        kinds[kind] += 1
        if kind == "run":
            config = {item.key: json.loads(item.value_json) for item in record.run.config.update}
            print(f"Weights & Biases {path}\n  project {record.run.project}, id {record.run.run_id}")
            print(f"  config {json.dumps(config)[:160]}...")
        if kind == "history":
            row = {item.key: json.loads(item.value_json) for item in record.history.item}
            assert row["_step"] == record.history.step.num
            rows.append(row)
    steps = [row["_step"] for row in rows]
    assert steps == sorted(set(steps)), f"steps {steps} are not increasing"
    print(f"  records {dict(kinds)}\n  steps {steps}\n  last row {json.dumps(rows[-1])}")
    received, exit_code = synchronize(path)
    assert list(map(repr, map(sorted_items, received))) == list(map(repr, map(sorted_items, rows)))
    print(f"  wandb sync sent {len(received)} equal rows, exit code {exit_code}")


def sorted_items(row):
    """Values as wandb sends them: 3.0 as 3."""
    return sorted((name, float(value)) for name, value in row.items())


def synchronize(path):
    """Runs `wandb sync` on a copy of a run; the rows and the exit code that a server gets."""
    rows, exit_codes = {}, []

    class Server(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = {}
            if self.path.endswith("/graphql"):
                request = json.loads(body)
                answer = {"data": self.answer(request["query"], request.get("variables") or {})}
            elif self.path.endswith("/file_stream"):
                stream = json.loads(body)
                history = stream.get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
                for line, content in enumerate(history["content"], history["offset"]):
                    rows[line] = json.loads(content)
                if stream.get("complete"):
                    exit_codes.append(stream.get("exitcode"))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET = do_POST

        def answer(self, query, variables):
            if "upsertBucket" in query:
                project = {"id": "p", "name": variables.get("project"), "entity": {"id": "e", "name": "nobody"}}
                bucket = {"id": "r", "name": variables.get("name"), "displayName": "run", "project": project}
                return {"upsertBucket": {"bucket": bucket, "inserted": True}}
            if "createRunFiles" in query:
                host = f"http://127.0.0.1:{server.server_port}"
                files = [{"name": name, "uploadUrl": f"{host}/{name}"} for name in variables["files"]]
                return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
            return {}

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        copy = shutil.copytree(
            path.parent, Path(directory) / path.parent.name, ignore=shutil.ignore_patterns("*.synced")
        )
        key = {"WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}", "WANDB_API_KEY": "0" * 40}
        command = [sys.executable, "-m", "wandb", "sync", str(copy)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **key}, timeout=120)
        output = done.stdout + done.stderr
        assert done.returncode == 0 and "Finished syncing" in output, output
        assert (copy / f"{path.name}.synced").exists(), "not marked as sent"
    server.shutdown()
    return [rows[line] for line in sorted(rows)], exit_codes[-1] if exit_codes else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    found = 0
    for root in parser.parse_args().paths:
        for directory in sorted({path.parent for path in root.rglob("events.out.tfevents.*")}):
            check_tensorboard(directory)
            found += 1
        for path in sorted(root.rglob("*.wandb")):
            check_wandb(path)
            found += 1
    sys.exit(0 if found else "no logs found")


if __name__ == "__main__":
    main()
