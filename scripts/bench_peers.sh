#!/usr/bin/env bash
# bench_peers.sh [--int8] [--only a,b] [--threads 1,2] [--rounds 3] [--seconds 2]
# Measures bin/ocellus and ONNX Runtime side by side: latency by the peers' own bench_peers.js, load time and memory by bench_load.js here.
# With --int8 both run the networks that `ocellus quantize` makes of the same ones, on random numbers, and latency alone is measured; --only takes
# their names, as in resnet18-int8.
# PEERS is the folder with bench_peers.js and make_models.py (../shared/peers). ONNX Runtime and the models go into a cache folder,
# OCELLUS_CACHE (~/.cache/ocellus). Where something is missing that cannot be installed it says so and skips.
# Exit status 1: a row missed its target.
set -euo pipefail
cd "$(dirname "$0")/.."

ort=onnxruntime-node@1.30.0
peers=${PEERS:-../shared/peers}
cache=${OCELLUS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ocellus}/peers

skip() {
    echo "bench-peers: skipped: $1"
    exit 0
}

[ -f "$peers/bench_peers.js" ] || skip "$peers has no bench_peers.js; PEERS names the folder that has"
command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are needed: sudo apt-get install nodejs npm"

# The first Python that has ONNX, or the system's after installing Debian's packages.
python() {
    local p
    for p in python3 /usr/bin/python3; do
        if command -v "$p" >/dev/null && "$p" -c 'import numpy, onnx' 2>/dev/null; then
            echo "$p"
            return
        fi
    done
    return 1
}
install_python() {
    command -v apt-get >/dev/null || return 1
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-onnx python3-numpy >/dev/null 2>&1
}

mkdir -p "$cache/models"
wanted=$(ls "$peers"/skeletons/*.onnx | wc -l)
if [ "$(ls "$cache"/models/*.onnx 2>/dev/null | wc -l)" -lt "$wanted" ]; then
    py=$(python) || { install_python && py=$(python); } || skip "Python's onnx and numpy are needed: sudo apt-get install python3-onnx python3-numpy"
    "$py" "$peers/make_models.py" "$cache/models" >/dev/null
fi
if [ ! -f "$cache/node_modules/onnxruntime-node/package.json" ]; then
    # Its install script fetches GPU libraries that are not needed here.
    npm install --prefix "$cache" --ignore-scripts --no-audit --no-fund --silent "$ort" || skip "npm could not install $ort"
fi
export ORT="$cache/node_modules/onnxruntime-node"

if [ "${1-}" = --int8 ]; then
    shift
    mkdir -p "$cache/int8"
    for model in "$cache"/models/*.onnx; do
        name=$(basename "$model" .onnx)
        inputs=$cache/inputs/$name
        if [ ! -f "$inputs/3.npy" ]; then
            py=$(python) || { install_python && py=$(python); } || skip "Python with onnx and numpy is needed: sudo apt-get install python3-onnx python3-numpy"
            mkdir -p "$inputs"
            "$py" - "$model" "$inputs" <<'END'
import sys, numpy, onnx
shape = [d.dim_value or 1 for d in onnx.load(sys.argv[1]).graph.input[0].type.tensor_type.shape.dim]
for i in range(4):
    numpy.save(f'{sys.argv[2]}/{i}.npy', numpy.random.RandomState(i).uniform(-1, 1, shape).astype('<f4'))
END
        fi
        bin/ocellus quantize "$model" --data "$inputs" -o "$cache/int8/$name-int8.onnx" >/dev/null
    done
    exec node "$peers/bench_peers.js" bin/ocellus "$cache/int8" "$@"
fi

status=0
node "$peers/bench_peers.js" bin/ocellus "$cache/models" "$@" || status=1
echo
node scripts/bench_load.js bin/ocellus "$cache/models" "$@" || status=1
exit $status
