// What comes by itself, and the pause: events are gathered, and handed on together.

import { listen } from "./stream.js";

const MOST_HELD = 5000; // beyond that it is quicker to fetch again
const GATHER = 30; // milliseconds

let handlers = {};
let queue = [];
let timer = null;
let isPaused = false, isConnected = false, isOverfull = false;

function showState() {
  const state = isPaused ? "paused" : isConnected ? "live" : "reconnecting";
  document.body.dataset.live = state;
  handlers.state(state, isConnected);
}

// A hundred events cost one round of layout.
function drain() {
  timer = null;
  if (isPaused) return;
  const batch = queue;
  queue = [];
  if (batch.length) handlers.batch(batch);
  if (isOverfull) handlers.behind();
  isOverfull = false;
}

function take(kind, data) {
  queue.push({ kind, data });
  if (queue.length > MOST_HELD) {
    queue = queue.filter((event) => event.kind === "options" || event.kind === "reset").slice(-10);
    isOverfull = true;
  }
  if (isPaused) return handlers.waiting(queue, isOverfull);
  timer = timer || setTimeout(drain, GATHER);
}

export const live = {
  start(given) {
    handlers = given;
    showState();
    listen({
      state(isUp) {
        isConnected = isUp;
        showState();
      },
      hello: handlers.hello,
      event: take,
    });
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
