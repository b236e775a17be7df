// What was seen: how many messages of each phone were there when it was last open. It is remembered
// in this browser, for as long as the sandbox lives; all its pages know.

import { find, memory, once } from "./dom.js";

let epoch = null;
let counts = new Map();
let sum = 0;
let received = 0; // by all phones together, as the sandbox says
let changed = () => {};

const SOON = 20; // milliseconds; many changes are shown at once
let timer = null;

function show() {
  timer = timer || setTimeout(() => {
    timer = null;
    showNow();
  }, SOON);
}

function parse(text) {
  try { return JSON.parse(text) || {}; } catch { return {}; }
}

function adopt(kept) {
  counts = new Map(kept.epoch === epoch ? Object.entries(kept.counts) : []);
  sum = 0;
  for (const n of counts.values()) sum += n;
}

const keep = once(() => {
  memory.set("seen", JSON.stringify({ epoch, counts: Object.fromEntries(counts) }));
}, 100);

function showNow() {
  const n = Math.max(0, received - sum);
  document.title = `${n ? `(${n}) ` : ""}Phones · telnyx sandbox`;
  const badge = find("unread-total");
  badge.hidden = n === 0;
  badge.textContent = String(n);
  badge.setAttribute("aria-label", `${n} unread`);
  const icon = n ? "/sandbox/page/icon-unread.svg" : "/sandbox/page/icon.svg";
  if (find("icon").getAttribute("href") !== icon) find("icon").setAttribute("href", icon);
}

export const seen = {
  onChange(action) { changed = action; },

  begin(newEpoch, nReceived) {
    received = nReceived;
    if (epoch !== newEpoch) {
      epoch = newEpoch;
      adopt(parse(memory.get("seen")));
    }
    show();
  },

  more(n) {
    received += n;
    show();
  },

  of: (phone) => counts.get(phone) || 0,

  mark(phone, n) {
    const before = seen.of(phone);
    if (n <= before) return;
    counts.set(phone, n);
    sum += n - before;
    show();
    keep();
  },
};

// Another page of this browser has looked at something.
addEventListener("storage", (event) => {
  if (event.key !== "telnyx-sandbox-seen") return;
  adopt(parse(event.newValue));
  show();
  changed();
});
