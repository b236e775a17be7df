// The conversation of one phone: the newest messages first, older ones as one scrolls up. A
// message's node is made once, and stays. They stand in pages, which the browser lays out only
// near the window.

import { api } from "./api.js";
import { when } from "./clock.js";
import { find, say } from "./dom.js";
import { makeMessage, nextChange, otherOf, showState } from "./bubble.js";
import { details } from "./details.js";
import { position, putAbove, putBelow } from "./pages.js";
import { counted } from "./times.js";

const FIRST = 100, MOST = 1000; // messages

const log = find("log"), messages = find("messages"), older = find("older"), jump = find("jump");

let phone = null;
let views = new Map(); // by message id
let oldest = null, newest = 0, hasOlder = false, isLoading = false, size = FIRST;
let generation = 0, nBelow = 0, total = 0, lastOther = null;

function toEnd() {
  position.toEnd();
  nBelow = 0;
  jump.hidden = true;
}

function refresh(view) {
  showState(view.node, view.summary, phone);
  details.refreshIfOpen(view);
  follow(view);
}

// Looks again when the status moves on.
function follow(view) {
  view.cancel();
  const at = nextChange(view.summary);
  view.cancel = at === null ? () => {} : when(at, () => refresh(view));
}

function makeView(summary, other) {
  const view = { summary, node: makeMessage(summary, phone, other), cancel() {}, phone };
  views.set(summary.id, view);
  follow(view);
  return view;
}

function showOlder(forgotten) {
  const words = hasOlder ? "Older messages…" : forgotten
    ? `The beginning is no longer kept (${counted(forgotten, "message")} of this sandbox).` : "";
  say(older, words);
}

function showTotal() {
  find("talk-count").textContent = counted(total, "message");
}

// Messages, the newest first, go above what is there.
function prepend(data) {
  const fresh = data.filter((summary) => !views.has(summary.id)).reverse();
  let other = null;
  const nodes = fresh.map((summary) => {
    const node = makeView(summary, other).node;
    other = otherOf(summary);
    return node;
  });
  if (fresh.length && !views.size) lastOther = other;
  putAbove(nodes);
  if (fresh.length) {
    oldest = Math.min(oldest ?? Infinity, fresh[0].seq);
    newest = Math.max(newest, fresh[fresh.length - 1].seq);
    lastOther = lastOther ?? other;
  }
}

async function loadOlder() {
  if (isLoading) return;
  const mine = generation;
  isLoading = true;
  log.setAttribute("aria-busy", "true");
  log.setAttribute("aria-live", "off"); // what is old is not news
  try {
    const answer = await api.messages({ phone, order: "newest", limit: size, before: oldest });
    if (mine !== generation) return;
    size = Math.min(MOST, size * 2);
    hasOlder = answer.more;
    if (oldest === null) total = answer.total;
    prepend(answer.data);
    showOlder(answer.forgotten);
    showTotal();
  } finally {
    if (mine === generation) {
      isLoading = false;
      log.setAttribute("aria-busy", "false");
      requestAnimationFrame(() => log.setAttribute("aria-live", "polite"));
    }
  }
  watchTop();
}

// Whoever comes near the top wants more. To watch anew asks again also where nothing has moved.
const watcher = new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting) && hasOlder) {
    loadOlder().catch(() => { isLoading = false; });
  }
}, { root: log, rootMargin: "1200px 0px 0px 0px" });

function watchTop() {
  watcher.unobserve(older);
  if (hasOlder) watcher.observe(older);
}

function forget() {
  generation += 1;
  for (const view of views.values()) view.cancel();
  views = new Map();
  watcher.unobserve(older);
  messages.replaceChildren();
  oldest = null;
  newest = 0;
  hasOlder = false;
  isLoading = false;
  size = FIRST;
  total = 0;
  lastOther = null;
  nBelow = 0;
  position.reset();
  jump.hidden = true;
  say(older, "");
  log.setAttribute("aria-live", "off");
}

async function loadUntil(id) {
  const mine = generation;
  while (!views.has(id) && hasOlder && mine === generation) {
    size = MOST;
    await loadOlder();
  }
}

function pointAt(id) {
  const before = messages.querySelector(".is-target");
  if (before) before.classList.remove("is-target");
  const view = views.get(id);
  if (!view) return say(older, "The message of this link is no longer kept.");
  view.node.classList.add("is-target");
  position.leaveEnd();
  view.node.scrollIntoView({ block: "center" });
}

function append(summary) {
  const view = makeView(summary, lastOther);
  lastOther = otherOf(summary);
  newest = summary.seq;
  total += 1;
  putBelow(view.node);
  showTotal();
  if (position.isAtEnd) return; // the keeper below sees to it, once for many
  nBelow += 1;
  jump.querySelector("span").textContent = counted(nBelow, "new message");
  jump.hidden = false;
}

export const conversation = {
  get phone() { return phone; },
  // The account's number that this phone was last in touch with.
  get other() { return lastOther; },

  async open(number, id) {
    if (number !== phone) {
      forget();
      phone = number;
      const mine = generation;
      await loadOlder();
      if (mine !== generation) return;
      if (!id) toEnd();
    }
    if (!id) return;
    const mine = generation;
    await loadUntil(id);
    if (mine === generation) pointAt(id);
  },

  close() {
    forget();
    phone = null;
  },

  // A message that is new, or one that has changed.
  add(summary) {
    if (!phone || !summary.phones.includes(phone)) return;
    if (views.has(summary.id)) return conversation.update(summary);
    if (summary.seq > newest) append(summary);
  },

  update(summary) {
    const view = views.get(summary.id);
    if (!view) return;
    view.summary = summary;
    refresh(view);
  },

  webhook(id) {
    const view = views.get(id);
    if (view) details.refreshIfOpen(view);
  },

  // What was missed while nobody listened.
  async catchUp() {
    if (!phone) return;
    const mine = generation;
    const latest = await api.messages({ phone, order: "newest", limit: FIRST });
    if (mine !== generation) return;
    for (const summary of latest.data) conversation.update(summary);
    let more = latest.cursor > newest;
    while (more && mine === generation) {
      const answer = await api.messages({ phone, since: newest, limit: MOST });
      if (mine !== generation) return;
      for (const summary of answer.data) conversation.add(summary);
      more = answer.more && answer.data.length > 0;
    }
    for (const view of views.values()) details.refreshIfOpen(view);
  },
};

messages.addEventListener("click", (event) => {
  const line = event.target.closest('[data-action="details"]');
  if (!line) return;
  const view = views.get(line.closest("[data-message]").dataset.message);
  if (!view) return;
  position.leaveEnd(); // what was opened is to be read from its top
  details.toggle(view, line);
});

jump.addEventListener("click", () => {
  toEnd();
  log.focus({ preventScroll: true });
});

position.onEnd(() => {
  nBelow = 0;
  jump.hidden = true;
});
