#!/usr/bin/env node
// bench_load.js OCELLUS MODELS_DIR [--rounds 3] [--threads 1,2] [--only a,b]
// Compares load time, first run and memory of `OCELLUS bench MODEL --json` and of ONNX Runtime, each in a process of its own, in turns; the best of the
// rounds. ORT names the folder of onnxruntime-node. ONNX Runtime's memory is the most that its process held less what Node held before the model was
// loaded; ours is all that the process held. Exit status 1: a row where load or memory is not below ONNX Runtime's, or where our first
// run takes more than twice the median.
'use strict';
const {execFileSync} = require('child_process');
const fs = require('fs');
const path = require('path');

const [, , bin, dir, ...rest] = process.argv;
const option = (name, otherwise) => {
  const i = rest.indexOf('--' + name);
  return i < 0 ? otherwise : rest[i + 1];
};

// memory reads a line of /proc/self/status, in MB.
function memory(key) {
  const m = fs.readFileSync('/proc/self/status', 'utf8').match(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm'));
  return m ? +m[1] / 1024 : NaN;
}

// child loads one model in ONNX Runtime, runs it a few times and prints what that took.
async function child(model, threads) {
  const ort = require(process.env.ORT || 'onnxruntime-node');
  const before = memory('VmRSS');
  let start = performance.now();
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all', executionMode: 'sequential', logSeverityLevel: 3,
  });
  const load = performance.now() - start;
  const input = session.inputMetadata[0];
  const shape = input.shape.map(d => (typeof d === 'number' && d > 0 ? d : 1));
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) data[i] = (Math.imul(i, 2654435761) >>> 8) / 16777216 * 2 - 1;
  const feeds = {[input.name]: new ort.Tensor('float32', data, shape)};
  start = performance.now();
  await session.run(feeds);
  const first = performance.now() - start;
  for (let i = 0; i < 7; i++) await session.run(feeds);
  console.log(JSON.stringify({load, first, rss: memory('VmHWM') - before}));
  process.exit(0);
}

function compare() {
  try {
    require.resolve(process.env.ORT || 'onnxruntime-node');
  } catch {
    console.error('bench_load: ORT must name the folder of onnxruntime-node: see bench_peers.sh');
    process.exit(2);
  }
  const rounds = +option('rounds', 3);
  const threads = option('threads', '1,2').split(',').map(Number);
  const only = option('only', '');
  const names = fs.readdirSync(dir).filter(f => f.endsWith('.onnx')).map(f => f.slice(0, -5)).filter(n => !only || only.split(',').includes(n)).sort();
  const best = (a, b) => Object.fromEntries(Object.keys(b).map(k => [k, Math.min(a[k] ?? Infinity, b[k])]));
  const three = (a, b) => a.toFixed(1).padStart(8) + b.toFixed(1).padStart(8) + (a / b).toFixed(2).padStart(6);
  let missed = 0;
  console.log('                             load ms                 first ms                memory MB         first /');
  console.log('model            threads     ours     ort ratio     ours     ort ratio     ours     ort ratio  median');
  for (const name of names) {
    const file = path.join(dir, name + '.onnx');
    for (const t of threads) {
      let ours = {}, ort = {};
      for (let r = 0; r < rounds; r++) {
        const child = execFileSync(process.execPath, [__filename], {encoding: 'utf8', env: {...process.env, BENCH_LOAD_CHILD: JSON.stringify([file, t])}});
        ort = best(ort, JSON.parse(child));
        const b = JSON.parse(execFileSync(bin, ['bench', file, '--threads', String(t), '--runs', '5', '--json'], {encoding: 'utf8'}));
        ours = best(ours, {load: b.load_ms, first: b.first_ms, rss: b.rss_bytes / 1048576, slow: b.first_ms / b.median_ms});
      }
      const bad = [ours.load >= ort.load && 'load', ours.rss >= ort.rss && 'memory', ours.slow > 2 && 'first'].filter(Boolean);
      missed += bad.length > 0;
      console.log(name.padEnd(20) + String(t).padStart(4) + three(ours.load, ort.load) + '  ' + three(ours.first, ort.first) + '  ' + three(ours.rss, ort.rss) +
        ours.slow.toFixed(2).padStart(8) + (bad.length ? '  missed: ' + bad.join(', ') : ''));
    }
  }
  console.log(missed ? `${missed} rows missed` : 'load time and memory below those of ONNX Runtime on every row');
  process.exit(missed ? 1 : 0);
}

if (process.env.BENCH_LOAD_CHILD) child(...JSON.parse(process.env.BENCH_LOAD_CHILD));
else compare();
