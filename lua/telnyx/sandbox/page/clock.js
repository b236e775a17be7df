// The sandbox's time. A status moves on when its time has come, and nobody tells the page.

let offset = 0;
let isHeld = false;
const held = new Set();

// How the sandbox's clock differs from ours.
export function setNow(now) {
  const at = Date.parse(now);
  if (!Number.isNaN(at)) offset = at - Date.now();
}

export const now = () => Date.now() + offset;

const FARTHEST = 2 ** 31 - 1; // milliseconds that a timer can count

// Runs an action at a time of the sandbox; while the page stands still, when it goes on.
// Returns a function that takes it back.
export function when(at, action) {
  const wait = Math.max(0, at - now());
  if (wait > FARTHEST) return () => {};
  const run = () => (isHeld ? held.add(action) : action());
  const timer = setTimeout(run, wait + 5);
  return () => {
    clearTimeout(timer);
    held.delete(action);
  };
}

export function hold() {
  isHeld = true;
}

export function release() {
  isHeld = false;
  const actions = [...held];
  held.clear();
  for (const action of actions) action();
}
