// What comes by itself: the stream of events, its ends and beginnings, and the pause.

const KINDS = ["message", "change", "webhook", "options", "reset", "behind"];
const MOST_HELD = 5000; // beyond that it is quicker to fetch again
const AGAIN = 1000, GATHER = 30; // milliseconds

let source = null;
let handlers = {};
let queue = [];
let timer = null;
let isPaused = false;
let isConnected = false;
let isOverfull = false;

function showState() {
  const state = isPaused ? "paused" : isConnected ? "live" : "reconnecting";
  document.body.dataset.live = state;
  handlers.state(state, isConnected);
}

// Events are gathered for a moment, so that a hundred cost one round of layout.
function drain() {
  timer = null;
  if (isPaused) return;
  const batch = queue;
  queue = [];
  if (isOverfull) {
    isOverfull = false;
    return handlers.behind();
  }
  handlers.batch(batch);
}

function take(kind, data) {
  queue.push({ kind, data });
  if (queue.length > MOST_HELD) {
    queue = queue.filter((event) => event.kind === "options");
    isOverfull = true;
  }
  if (isPaused) return handlers.waiting(queue, isOverfull);
  timer = timer || setTimeout(drain, GATHER);
}

function parse(text) {
  try { return JSON.parse(text); } catch { return null; }
}

function lost() {
  isConnected = false;
  showState();
  // The browser tries again by itself, unless the answer was none at all.
  if (source.readyState === EventSource.CLOSED) {
    source.close();
    setTimeout(connect, AGAIN);
  }
}

function connect() {
  source = new EventSource("/sandbox/events");
  source.addEventListener("hello", (event) => {
    isConnected = true;
    showState();
    const data = parse(event.data);
    if (data) handlers.hello(data);
  });
  source.onerror = lost;
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      const data = parse(event.data);
      if (data) take(kind, data);
    });
  }
}

export const live = {
  start(given) {
    handlers = given;
    showState();
    connect();
  },
  get isPaused() { return isPaused; },
  pause() {
    isPaused = true;
    showState();
  },
  resume() {
    isPaused = false;
    showState();
    drain();
  },
};
