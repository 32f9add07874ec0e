// Heading and colours; then everything is put up.

import { drawMinute, setSignals } from "./faces.js";
import { buildJobs, expect, matchColours, setUploads } from "./jobs.js";
import { buildCamera } from "./live.js";
import { ask, takeToken } from "./server.js";
import { buildUploads } from "./uploads.js";
import { byId, loadPalette } from "./tools.js";

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

function buildHeading() {
  const here = LOCAL.includes(location.hostname);
  const server = here ? "to the server on this machine" : `to the server at ${location.host}`;
  document.querySelector(".to-server").textContent = server;
  document.querySelector("#video .where").textContent =
    `Files go ${server} and nowhere else. It drops a file once it is analysed, and keeps report and tables until you delete them or their time is up.`;
}

async function nameModel() {
  const { models = [] } = await ask("v1/models", { quiet: true }).catch(() => ({}));
  const model = models.find((one) => one.in_use) ?? models[0];
  if (model?.name) byId("facts").textContent = `Model: ${model.name}`;
  setSignals(model?.signals ?? []);
}

function buildTheme() {
  const button = byId("theme"), dark = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const show = () => {
    button.setAttribute("aria-pressed", isDark());
    matchColours();
    if (!byId("live").hidden) drawMinute();
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  dark.addEventListener("change", show);
  show();
}

takeToken();
buildHeading();
buildTheme();
buildUploads(setUploads, expect);
buildCamera();
await loadPalette();
buildJobs();
nameModel();
document.documentElement.dataset.ready = "";
