// Talking to the server: the token, JSON, and errors that say what was expected, what came and what to do.

import { byId } from "./tools.js";

const KEY = "mien token";
const PATIENCE = 30_000; // milliseconds; a server that hangs would otherwise keep the page waiting for ever
let asking = null;

/** An answer that is no success; ``status`` is 0 when there was none at all. */
export class Refusal extends Error {
  constructor(status, body, retryAfter = null) {
    const { expected, got, fix } = body?.error ?? {};
    const words = expected ? `Expected ${expected}${got ? `, got ${got}` : ""}` : got || plainWords(status);
    super(sentence(words));
    this.status = status;
    this.fix = fix ? sentence(fix) : "";
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

function plainWords(status) {
  if (status === 0) return "The server does not answer";
  return { 401: "The server wants a token", 413: "The file is larger than this server takes", 429: "The server is busy" }[status]
    ?? `The server answered ${status}`;
}

/** Words of an error as a sentence. */
export function sentence(words) {
  const started = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(started) ? started : `${started}.`;
}

export function token() {
  return sessionStorage.getItem(KEY);
}

/** A token in the page's address, as the server may print it, is taken over and leaves the address. */
export function takeToken() {
  const address = new URL(location.href);
  const given = address.searchParams.get("token");
  if (!given) return;
  sessionStorage.setItem(KEY, given);
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
}

/** Headers of a request; links, frames and sockets, which have none, take the token in their address: ``withToken``. */
export function headers() {
  return token() ? { Authorization: `Bearer ${token()}` } : {};
}

export function withToken(path) {
  const address = new URL(path, document.baseURI);
  if (token()) address.searchParams.set("token", token());
  return address.href;
}

/** Ask for the token, once however many requests want it. True when one was given. */
export function askToken() {
  asking ??= new Promise((done) => {
    const dialog = byId("ask-token");
    byId("token-wrong").hidden = !token();
    byId("token").value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      asking = null;
      const given = dialog.returnValue === "give" && byId("token").value.trim();
      if (given) sessionStorage.setItem(KEY, given);
      byId("token").value = "";
      done(Boolean(given));
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

/** The server's JSON at ``path``, or a Refusal. A missing token is asked for once, unless ``quiet``. */
export async function ask(path, { method = "GET", quiet = false } = {}) {
  let answer, text;
  try {
    answer = await fetch(path, { method, headers: headers(), signal: AbortSignal.timeout(PATIENCE) });
    text = await answer.text();
  } catch {
    throw new Refusal(0);
  }
  if (answer.status === 401 && !quiet && (await askToken())) return ask(path, { method });
  const body = json(text);
  if (!answer.ok) throw new Refusal(answer.status, body, seconds(answer.headers.get("Retry-After")));
  return body;
}

/** What a text holds; null where it is no JSON, as with an answer of a proxy. */
export function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Seconds of a ``Retry-After``: a number, or a date. */
export function seconds(retryAfter) {
  if (!retryAfter) return null;
  const number = Number(retryAfter);
  return Number.isFinite(number) ? number : Math.max(0, (Date.parse(retryAfter) - Date.now()) / 1000) || null;
}
