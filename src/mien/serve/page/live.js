// The camera: small pictures to the server over one socket, answers back. Nothing is kept on either side.

import { clearFaces, showFaces } from "./faces.js";
import { Refusal, askToken, sentence, token, withToken } from "./server.js";
import { byId, element, lasting, say, write } from "./tools.js";

const A_SECOND = 15; // pictures sent
const LONGEST_SIDE = 640; // pixels; larger ones cost time and are scaled down for the network anyway
const QUALITY = 0.85;
const MOST_WAITING = 300_000; // bytes not yet on their way: the line is slow, and old pictures are no use
const UNWELCOME = 1008, LATER = 1013; // close codes
const MOST_COMPLAINTS = 5; // in a row
const OFF = "The camera is off. Nothing was kept.";
const canvas = document.createElement("canvas");
let session = null; // the camera that is on, its socket, and counts

export function buildCamera() {
  byId("camera-switch").addEventListener("click", () => (session ? stop(OFF) : start()));
  byId("live-stop").addEventListener("click", () => {
    stop(OFF);
    byId("camera-switch").focus();
  });
  byId("cameras").addEventListener("change", () => session && (stop(), start()));
  byId("mirror").addEventListener("change", mirror);
  addEventListener("pagehide", () => stop());
  clearFaces();
  mirror();
}

function mirror() {
  byId("stage").classList.toggle("mirrored", byId("mirror").checked);
}

async function start() {
  const mine = (session = { stream: null, socket: null, timer: null, began: 0, answers: [], sent: 0, dropped: 0, complaints: 0 });
  show(true);
  note("Waiting for leave to use the camera: the browser asks.");
  try {
    if (!navigator.mediaDevices) throw new DOMException("", "InsecureContext");
    const chosen = byId("cameras").value;
    const wanted = { width: { ideal: LONGEST_SIDE }, ...(chosen ? { deviceId: { exact: chosen } } : { facingMode: "user" }) };
    const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    if (session !== mine) return stream.getTracks().forEach((track) => track.stop());
    mine.stream = stream;
    await showPicture(mine);
  } catch (problem) {
    if (session === mine) stop(whyNot(problem), true);
    return;
  }
  if (session === mine) connect(mine);
}

function whyNot({ name }) {
  return {
    NotAllowedError: "The browser does not let this page use the camera. Allow it beside the address of the page, then start again.",
    NotFoundError: "There is no camera here. Connect one, then start again; or choose a video instead.",
    NotReadableError: "The camera is in use by another program. Close that one, then start again.",
    OverconstrainedError: "That camera is gone. Choose another one.",
    InsecureContext: "Browsers give the camera to pages from this machine (localhost) or over HTTPS only. Open the page there, or put HTTPS before the server.",
  }[name] ?? `The camera could not be started (${name}). Choose a video instead.`;
}

async function showPicture(mine) {
  const view = byId("view"), [track] = mine.stream.getVideoTracks();
  track.addEventListener("ended", () => session === mine && stop("The camera was taken away. Connect it again, then start."));
  view.srcObject = mine.stream;
  await view.play();
  byId("stage").style.setProperty("--aspect", view.videoWidth / view.videoHeight);
  byId("live").hidden = false;
  byId("live").scrollIntoView({ block: "nearest" });
  const devices = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
  const current = track.getSettings().deviceId;
  byId("camera-choice").hidden = devices.length < 2;
  byId("cameras").replaceChildren(...devices.map((one, place) =>
    element("option", { value: one.deviceId, text: one.label || `Camera ${place + 1}`, selected: one.deviceId === current })));
}

function connect(mine) {
  note("The camera is on. Connecting to the server.");
  const address = new URL(withToken("v1/live"));
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const socket = (mine.socket = new WebSocket(address));
  socket.addEventListener("open", () => {
    mine.began = performance.now();
    mine.timer = setInterval(() => sendPicture(mine), 1000 / A_SECOND);
    note("The camera is on. The server fetches its model; this takes a few seconds the first time.");
    say("The camera is on.");
  });
  socket.addEventListener("message", ({ data }) => session === mine && answered(mine, JSON.parse(data)));
  socket.addEventListener("close", (event) => session === mine && closed(mine, event));
}

async function closed(mine, { code, reason }) {
  const opened = mine.began > 0;
  stop(farewell(code, reason, opened), true);
  if (code === UNWELCOME && reason.includes("token") && (await askToken())) start();
}

function farewell(code, reason, opened) {
  if (code === LATER) return "The server is busy with other cameras. Try again in a moment.";
  if (reason) return `The server ended it. ${sentence(reason)}`;
  if (!opened) return `The server does not answer${token() ? ", or does not know this token" : ""}. Is mien serve still running? Try again.`;
  return "The connection to the server broke off. Is mien serve still running? Start again.";
}

function sendPicture(mine) {
  const view = byId("view"), { socket } = mine;
  if (!view.videoWidth || mine.busy || socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > MOST_WAITING) return;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(view.videoWidth, view.videoHeight));
  canvas.width = Math.round(view.videoWidth * scale);
  canvas.height = Math.round(view.videoHeight * scale);
  canvas.getContext("2d").drawImage(view, 0, 0, canvas.width, canvas.height);
  const time = seconds(mine);
  mine.busy = true;
  canvas.toBlob((picture) => {
    mine.busy = false;
    if (!picture || socket.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify({ time }));
    socket.send(picture);
    mine.sent++;
  }, "image/jpeg", QUALITY);
}

function seconds(mine) {
  return (performance.now() - mine.began) / 1000;
}

function answered(mine, answer) {
  if (answer.error) return complaint(mine, answer);
  mine.complaints = 0;
  if (!mine.answers.length) note("The camera is on.");
  mine.dropped = answer.dropped ?? mine.dropped;
  mine.answers.push({ at: seconds(mine), late: seconds(mine) - answer.time });
  while (mine.answers[0].at < seconds(mine) - 2) mine.answers.shift();
  showFaces(answer, canvas.width, canvas.height);
  pace(mine);
}

/** A picture that the server could not use is no harm; one after the other is. */
function complaint(mine, answer) {
  mine.complaints = mine.complaints + 1;
  if (mine.complaints < MOST_COMPLAINTS) return;
  const refusal = new Refusal(0, answer);
  stop(`The server cannot use the pictures. ${refusal.message} ${refusal.fix}`, true);
}

/** How fast it goes, once a second: people are reading it. */
function pace(mine) {
  if (seconds(mine) - (mine.told ?? -1) < 1) return;
  mine.told = seconds(mine);
  const late = mine.answers.map((one) => one.late).sort((one, other) => one - other)[mine.answers.length >> 1];
  const rate = mine.answers.length / Math.min(2, Math.max(mine.told, 0.5));
  const skipped = mine.dropped ? `; ${mine.dropped.toLocaleString("en")} of ${mine.sent.toLocaleString("en")} left out to keep up` : "";
  write(byId("pace"), `${rate.toFixed(0)} pictures a second, ${lasting(Math.max(late, 0))} behind${skipped}`);
}

/** End it all: camera off, socket closed, answers forgotten. */
function stop(words = "", wrong = false) {
  if (!session) return;
  const { stream, socket, timer } = session;
  session = null;
  clearInterval(timer);
  stream?.getTracks().forEach((track) => track.stop());
  socket?.close();
  byId("view").srcObject = null;
  canvas.width = canvas.height = 1;
  clearFaces();
  write(byId("pace"), "");
  show(false);
  note(words, wrong);
}

function show(on) {
  if (!on) byId("live").hidden = true; // shown when there is a picture
  write(byId("camera-switch"), on ? "Stop the camera" : "Start the camera");
}

function note(words, wrong = false) {
  write(byId("camera-note"), words);
  byId("camera-note").classList.toggle("notice", wrong);
}
