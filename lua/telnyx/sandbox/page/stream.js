// The stream of events, one for all pages of this browser: it opens only some six connections to a
// host. The page that has the lock listens and tells the others; when it goes, another takes over.

const KINDS = ["message", "change", "webhook", "options", "refusal", "reset",
  "behind"];
const AGAIN = 1000; // milliseconds

let source = null, channel = null, release = null;
let hello = null; // what a page that comes later is told, and when that was so
let isConnected = false, isActive = false;
let handlers = {};

function take(kind, data) {
  if (kind === "state") {
    isConnected = data;
    return handlers.state(data);
  }
  return kind === "hello" ? handlers.hello(data) : handlers.event(kind, data);
}

function spread(kind, data) {
  if (channel) channel.postMessage({ kind, data });
  take(kind, data);
}

// Keeps what a latecomer has to know as new as it is.
function note(kind, data) {
  if (kind === "hello") hello = { data, at: Date.now() };
  if (kind === "options" && hello) hello.data.options = data;
  if (kind === "refusal" && hello) hello.data.n_refused += 1;
  if (kind === "reset" && hello) Object.assign(hello.data, { epoch: data.epoch, n_refused: 0 });
}

function parse(text) {
  try { return JSON.parse(text); } catch { return null; }
}

function onEvent(event) {
  const data = parse(event.data);
  if (data === null) return;
  note(event.type, data);
  if (event.type === "hello") spread("state", true);
  spread(event.type, data);
}

function onError() {
  spread("state", false);
  // The browser tries again by itself, unless what came was no stream.
  if (source.readyState !== EventSource.CLOSED) return;
  source.close();
  setTimeout(() => { if (release) connect(); }, AGAIN);
}

function connect() {
  source = new EventSource("/sandbox/events");
  for (const kind of ["hello", ...KINDS]) source.addEventListener(kind, onEvent);
  source.onerror = onError;
}

function greet() {
  const now = new Date(Date.parse(hello.data.now) + Date.now() - hello.at).toISOString();
  channel.postMessage({ kind: "hello", data: { ...hello.data, now } });
}

function onMessage({ data: { kind, data } }) {
  if (kind !== "ask") return take(kind, data);
  if (!release) return;
  channel.postMessage({ kind: "state", data: isConnected });
  if (isConnected) greet();
}

// Holds the lock until the page goes.
function lead() {
  if (!isActive) return;
  connect();
  return new Promise((resolve) => { release = resolve; });
}

function begin() {
  isActive = true;
  if (!navigator.locks || !window.BroadcastChannel) return lead();
  channel = new BroadcastChannel("telnyx-sandbox");
  channel.onmessage = onMessage;
  navigator.locks.request("telnyx-sandbox-stream", lead);
  channel.postMessage({ kind: "ask" });
}

// A page that the browser keeps for the way back must not keep the stream.
function end() {
  isActive = false;
  if (source) source.close();
  if (channel) channel.close();
  if (release) release();
  source = channel = release = null;
}

export function listen(given) {
  handlers = given;
  begin();
  addEventListener("pagehide", end);
  addEventListener("pageshow", (event) => { if (event.persisted) begin(); });
}
