#!/usr/bin/env bash
# Time a step of training beside PyTorch's, in turns: make bench-train, or bench_train.sh [ROUNDS] [NET:BATCH ...].
# Writes a table of the smallest times of all rounds. Needs PyTorch (Debian: python3-torch).
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-3}
shift || true
nets=("$@")
[ ${#nets[@]} -gt 0 ] || nets=(digits_convnet:64 mobilenet_v2:8 resnet18:8 mobilenet_v2_head:64 alexnet:32)
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import torch' 2>/dev/null || { echo "bench_train: $python has no torch: install python3-torch, or name another PYTHON" >&2; exit 1; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for _ in $(seq "$rounds"); do
    for n in "${nets[@]}"; do
        net=${n%:*} batch=${n#*:}
        bin/ocellus bench "$net" --train --batch "$batch" --runs 6 --threads 2 --json |
            "$python" -c 'import json,sys; r=json.load(sys.stdin); print(sys.argv[1], "ours", r["min_ms"], r["median_ms"], r["rss_bytes"]/2**20)' "$n" >>"$log"
        "$python" scripts/train_torch.py "$net" --batch "$batch" --runs 6 |
            "$python" -c 'import json,sys; r=json.load(sys.stdin); print(sys.argv[1], "torch", r["min_ms"], r["median_ms"], 0)' "$n" >>"$log"
        "$python" scripts/train_torch.py "$net" --batch "$batch" --runs 6 --channels-last |
            "$python" -c 'import json,sys; r=json.load(sys.stdin); print(sys.argv[1], "last", r["min_ms"], r["median_ms"], 0)' "$n" >>"$log"
    done
done
"$python" - "$log" <<'PY'
import sys
best = {}
for line in open(sys.argv[1]):
    net, who, least, median, rss = line.split()
    row = best.setdefault(net, {})
    row[who] = min(row.get(who, 1e9), float(least))
    row["rss"] = max(row.get("rss", 0), float(rss))
print("| net | batch | Ocellus ms | PyTorch ms | channels last ms | ratio | of the faster | memory MB |")
print("|---|---|---|---|---|---|---|---|")
for net, r in best.items():
    name, batch = net.split(":")
    fast = min(r["torch"], r["last"])
    print(f"| {name} | {batch} | {r['ours']:.1f} | {r['torch']:.1f} | {r['last']:.1f} | {r['ours']/r['torch']:.2f} | {r['ours']/fast:.2f} | {r['rss']:.0f} |")
PY
