// The npm packages of peers.py, one face at a time on one thread of TensorFlow.js' WebAssembly.
//
//   node peers_node.cjs NODE_MODULES face-api|human CROPS COUNT SIDE OUT
//
// CROPS: COUNT square RGB pictures of SIDE pixels, raw bytes. OUT: COUNT rows of probabilities, float32. The last line
// printed is JSON: labels in the order of the columns, CPU seconds of the answers, bytes of the weights.
const fs = require('node:fs');
const path = require('node:path');

const WARM = 3; // the first calls compile
const LUMA = [0.2989, 0.587, 0.114];

async function onWebAssembly(tf, modules) {
  const wasm = require(path.join(modules, '@tensorflow/tfjs-backend-wasm'));
  wasm.setWasmPaths(path.join(modules, '@tensorflow/tfjs-backend-wasm/dist/'));
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();
}

async function faceApi(modules) {
  const api = require(path.join(modules, '@vladmandic/face-api/dist/face-api.node-wasm.js'));
  const folder = path.join(modules, '@vladmandic/face-api/model');
  await onWebAssembly(api.tf, modules);
  const net = api.nets.faceExpressionNet;
  await net.loadFromDisk(folder);
  return {
    tf: api.tf,
    labels: ['neutral', 'happy', 'sad', 'angry', 'fearful', 'disgusted', 'surprised'],
    bytes: fs.statSync(path.join(folder, 'face_expression_model.bin')).size,
    answer: (picture) => net.forward(picture),
  };
}

async function human(modules) {
  const tf = require(path.join(modules, '@tensorflow/tfjs'));
  await onWebAssembly(tf, modules);
  const stem = path.join(modules, '@vladmandic/human/models/emotion');
  const graph = JSON.parse(fs.readFileSync(`${stem}.json`, 'utf8'));
  const weights = new Uint8Array(fs.readFileSync(`${stem}.bin`)).buffer;
  const model = await tf.loadGraphModel(
    tf.io.fromMemory({
      modelTopology: graph.modelTopology,
      weightSpecs: graph.weightsManifest.flatMap((part) => part.weights),
      weightData: weights,
    }),
  );
  const luma = tf.tensor1d(LUMA);
  return {
    tf,
    labels: ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'],
    bytes: weights.byteLength,
    // Grey in -1 .. 1.
    answer: (picture) =>
      tf.tidy(() => model.execute(tf.expandDims(picture.div(255).mul(luma).sum(2, true).sub(0.5).mul(2)))),
  };
}

async function main([modules, name, crops, count, side, out]) {
  const net = await { 'face-api': faceApi, human }[name](path.resolve(modules));
  const [n, s] = [Number(count), Number(side)];
  const pixels = fs.readFileSync(crops);
  const rows = [];
  let start;
  for (let i = -Math.min(WARM, n); i < n; i += 1) {
    if (i === 0) start = process.cpuUsage();
    const at = Math.max(i, 0) * s * s * 3;
    const picture = net.tf.tensor3d(new Float32Array(pixels.subarray(at, at + s * s * 3)), [s, s, 3]);
    const probabilities = await net.answer(picture);
    const row = await probabilities.data();
    if (i >= 0) rows.push(...row);
    probabilities.dispose();
    picture.dispose();
  }
  const used = process.cpuUsage(start);
  fs.writeFileSync(out, Buffer.from(new Float32Array(rows).buffer));
  console.log(JSON.stringify({ labels: net.labels, seconds: (used.user + used.system) / 1e6, bytes: net.bytes }));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
