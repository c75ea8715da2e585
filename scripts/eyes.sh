#!/usr/bin/env bash
# eyes.sh [--train] [--data DIR] [--models DIR] [--nets DIR] [TASK ...]
# Writes tables of how well networks see: every network through the same task, by ocellus eval, on the pictures that the recipes keep from training.
# TASK is pedestrians, scene, faces or face-detection; without any, all. DIR of --data holds pedestrian/, scene/ and faces/ (../shared/data), that of --models
# public networks as NAME/model.onnx (../shared/models), that of --nets those of model/zoo/recipes that are not in the program
# (out/eyes): hog_svm.onnx, scene_multiscale.onnx and face_local.onnx, which --train trains first where they are missing. Other networks that are not there
# are left out, and named on standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

data=../shared/data models=../shared/models nets=out/eyes own=model/zoo/nets ocellus=${OCELLUS:-bin/ocellus} train=
tasks=()
while [ $# -gt 0 ]; do
    case $1 in
    --train) train=1 && shift ;;
    --data) data=$2 && shift 2 ;;
    --models) models=$2 && shift 2 ;;
    --nets) nets=$2 && shift 2 ;;
    -*) sed -n '2,8s/^# //p' "$0" >&2 && exit 2 ;;
    *) tasks+=("$1") && shift ;;
    esac
done
[ ${#tasks[@]} -gt 0 ] || tasks=(pedestrians scene faces face-detection)
[ -d "$data" ] || { echo "eyes: $data is missing; --data names the folder of pictures" >&2 && exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if [ -n "$train" ]; then
    mkdir -p "$nets"
    for name in hog_svm scene_multiscale face_local; do
        of=$data
        [ "$name" != scene_multiscale ] || of=$data/scene
        [ -f "$nets/$name.onnx" ] || "$ocellus" train "model/zoo/recipes/$name.yaml" --data "$of" -o "$nets/$name.onnx" --checkpoint "$nets" >&2
    done
fi

# The photographs that pedestrian.yaml holds out: those that match its patterns.
held() {
    local pattern
    for pattern in $(sed -n 's/^ *match: \[\(.*\)\]/\1/p' model/zoo/recipes/pedestrian.yaml | tr -d '",'); do
        (cd "$data/pedestrian/frames" && compgen -G "$pattern" | grep -v _mask)
    done
}

# row NAME FILE,... FIGURES ARGUMENTS...: a row of the figures whose names FIGURES matches, of eval with the ARGUMENTS at one thread, and its times. FILEs are the networks.
row() {
    local name=$1 files=$2 figures=$3 file
    shift 3
    for file in ${files//,/ }; do
        [ -f "$file" ] || { echo "eyes: $file is missing: no row of $name" >&2 && return; }
    done
    "$ocellus" eval "$@" --threads 1 >"$tmp/one"
    "$ocellus" eval "$@" --threads 2 >"$tmp/two"
    awk -v name="$name" -v figures="$figures" -v two="$(sed -n 's/.* ms a picture, \([0-9.]*\) at the least.*/\1/p' "$tmp/two")" '
        BEGIN { split(figures, wanted, "|") }
        n = match($0, / [0-9]+\.[0-9]+ /) {
            what = substr($0, 1, n)
            sub(/ *$/, "", what)
            split(substr($0, n + 1), v, /[][, ]+/)
            for (i in wanted)
                if (what == wanted[i]) {
                    cell[i] = sprintf(" %s [%s, %s] |", v[1], v[2], v[3])
                    if (!count) count = v[6]
                }
        }
        /^time / { one = $6; params = $(NF-3); macs = $(NF-1) }
        END {
            for (i = 1; i in wanted; i++)
                cells = cells cell[i]
            printf "| %s |%s %s | %s | %s | %s | %s |\n", name, cells, count, one, two, params, macs
        }' "$tmp/one"
}

head() {
    local column
    echo
    printf '| network |'
    for column in "$@" n "ms, 1 thread" "ms, 2 threads" parameters "multiply-accumulates"; do printf ' %s |' "$column"; done
    printf '\n|---|'
    for _ in "$@" 1 2 3 4 5; do printf -- '---|'; done
    echo
}

pedestrians() {
    local name
    held >"$tmp/held"
    head AP50 AP "miss rate"
    for name in "$own/pedestrian.onnx" "$own/pedestrian_window.onnx" "$nets/hog_svm.onnx" "$models"/{yolox_nano,person_yolox_192,nanodet_m_320,fastestdet}/model.onnx; do
        row "$(label "$name")" "$name" "AP50|AP|miss rate" pedestrians --data "$data/pedestrian/frames" --list "$tmp/held" --model "$name"
    done
}

scene() {
    local name
    head "mean IoU" "pixel accuracy" "class average"
    for name in "$own/scene.onnx" "$nets/scene_multiscale.onnx"; do
        row "$(label "$name")" "$name" "mean IoU|pixel accuracy|class average" scene --data "$data/scene/val" --model "$name"
    done
}

faces() {
    local find embed
    head accuracy "equal error" "TAR at FAR 1 %"
    while read -r find embed; do
        row "$(label "$find"), $(label "$embed")" "$find,$embed" "accuracy|equal error|TAR at FAR 1 %" faces --data "$data/faces/lfw" --pairs "$data/faces/pairs_val.txt" \
            --detector "$find" --embedder "$embed"
    done <<EOF
$own/face_detector.onnx $own/face_embedder.onnx
$own/face_detector.onnx $nets/face_local.onnx
$own/face_detector.onnx $models/mobilefacenet/model.onnx
$models/yunet_n_320/model.onnx $own/face_embedder.onnx
$models/yunet_n_320/model.onnx $models/mobilefacenet/model.onnx
EOF
}

face_detection() {
    local name
    sed 200q "$data/faces/ids_val.txt" >"$tmp/people"
    head found "found below 48 pixels" "landmark error" "false a frame"
    for name in "$own/face_detector.onnx" "$models"/{yunet_n_320,scrfd_500m_kps}/model.onnx; do
        row "$(label "$name")" "$name" "found|found below 48|landmark error|false a frame" face-detection --data "$data/faces/lfw" --list "$tmp/people" \
            --frames "$data/scene/val" --reference "$models/yunet_n_dynamic/model.onnx" --detector "$name"
    done
}

# label NAME: what a row is called by, of NAME/model.onnx or NAME.onnx.
label() {
    local name=${1%/model.onnx}
    name=${name##*/}
    echo "\`${name%.onnx}\`"
}

for task in "${tasks[@]}"; do
    case $task in
    pedestrians | scene | faces) "$task" ;;
    face-detection) face_detection ;;
    *) echo "eyes: no task is called $task: pedestrians, scene, faces or face-detection" >&2 && exit 2 ;;
    esac
done
