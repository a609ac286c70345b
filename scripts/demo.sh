#!/usr/bin/env bash
# From a folder of photographs to training shards, and a look at what came out.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
run() {
    printf '$ %s\n' "$*"
    "$@"
}

step "Building"
make --no-print-directory all >build.log 2>&1 || { cat build.log >&2 && exit 1; }
rm build.log
build/shardmill --version

step "1. Pack 60 photographs of flowers in 5 classes: decoded, cut to 192x192, written as TFRecord"
rm -rf demo-out
run build/shardmill pack examples/flowers demo-out/flowers --shards 4 --split train=0.8,val=0.2

step "   What was skipped is named: here the licence that lies beside the pictures"
run cat demo-out/flowers/skipped.jsonl

step "2. Check every record of it"
run build/shardmill verify demo-out/flowers --decode

step "3. What was made"
run ls -1 demo-out/flowers

step "4. One shard read back, by a small program over the library (examples/read_records.c)"
run build/examples/read_records demo-out/flowers/flowers-val.tfrecord-00000-of-*

step "Where to look next"
cat <<'TEXT'
Load it in TensorFlow:

    import tensorflow_datasets as tfds
    builder = tfds.builder_from_directory("demo-out/flowers")
    train = builder.as_dataset(split="train")
    for example in train.take(1):
        print(example["image"].shape, example["label"])

Train a small Keras model on your own pictures:   examples/train_keras.py --help
Pack your own pictures, with your own options:    build/shardmill pack --help
TEXT
