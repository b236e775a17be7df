// The pages of a conversation: a hundred messages each, laid out by the browser only near the
// window; and where in them one is and wants to stay.

import { find, make } from "./dom.js";

const PAGE = 100, NEAR = 60; // messages, pixels

const log = find("log"), messages = find("messages");

let isPinned = true, seeksOldest = false, lastTop = 0;
let reached = () => {};

const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;

// What is first to be seen. A page out of sight is not looked into: that would lay it out.
function firstSeen() {
  const top = log.getBoundingClientRect().top;
  const isSeen = (node) => node.getBoundingClientRect().bottom > top;
  const page = [...messages.children].find(isSeen);
  return page && ([...page.children].find(isSeen) || page);
}

// Nothing that is read moves when something is put above it.
function keepingStill(action) {
  const anchor = firstSeen();
  const before = anchor && anchor.getBoundingClientRect().top;
  action();
  if (anchor) log.scrollTop += anchor.getBoundingClientRect().top - before;
}

function pagesOf(nodes) {
  const pages = [];
  // The last page is a full one: the first may be short.
  for (let end = nodes.length; end > 0; end -= PAGE) {
    pages.unshift(make("div", "page", ...nodes.slice(Math.max(0, end - PAGE), end)));
  }
  return pages;
}

// What is older goes above. Whoever seeks the oldest stays at the top, others where they are.
export function putAbove(nodes) {
  const put = () => messages.prepend(...pagesOf(nodes));
  if (!seeksOldest) return keepingStill(put);
  put();
  log.scrollTop = 0;
}

function lastPage() {
  const page = messages.lastElementChild;
  if (page && page.children.length < PAGE) return page;
  const next = make("div", "page");
  messages.append(next);
  return next;
}

// What is newer goes below.
export function putBelow(node) {
  lastPage().append(node);
}

export const position = {
  get isAtEnd() { return isPinned; },
  onEnd(action) { reached = action; },
  toEnd() {
    isPinned = true;
    log.scrollTop = log.scrollHeight;
  },
  leaveEnd() { isPinned = false; },
  reset() {
    isPinned = true;
    seeksOldest = false;
    lastTop = 0;
  },
};

// At the end one stays until one goes up.
log.addEventListener("scroll", () => {
  isPinned = isAtEnd() || (isPinned && log.scrollTop >= lastTop);
  lastTop = log.scrollTop;
  if (isPinned) reached();
}, { passive: true });

log.addEventListener("keydown", (event) => {
  seeksOldest = event.key === "Home";
  if (event.key === "End") isPinned = true;
});
for (const kind of ["wheel", "pointerdown"]) {
  log.addEventListener(kind, (event) => {
    seeksOldest = false;
    if (event.target.closest(".details")) isPinned = false; // it may grow below the pointer
  }, { passive: true });
}

// Who is at the end stays there, also when a picture arrives late or the window changes.
const keeper = new ResizeObserver(() => {
  if (isPinned) log.scrollTop = log.scrollHeight;
});
keeper.observe(messages);
keeper.observe(log);
