// The pages of a conversation: a hundred messages each, laid out by the browser only near the window.

import { find, make } from "./dom.js";

const PAGE = 100; // messages

const log = find("log"), messages = find("messages");

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

// What is older goes above.
export function putAbove(nodes) {
  keepingStill(() => messages.prepend(...pagesOf(nodes)));
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
