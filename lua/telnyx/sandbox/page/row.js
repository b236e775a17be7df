// A phone's row: its number, what it got last, and how much of it is unread.

import { nextChange, showPreview } from "./bubble.js";
import { when } from "./clock.js";
import { say, stamp } from "./dom.js";
import { addressOf } from "./router.js";
import { seen } from "./seen.js";
import { briefTime, wholeTime } from "./times.js";

export function makeNode(number) {
  const item = stamp("phone-row");
  const link = item.firstElementChild;
  link.dataset.phone = number;
  link.href = addressOf(number);
  link.querySelector(".number").textContent = number;
  return item;
}

export const linkOf = (row) => row.node.firstElementChild;
const unreadOf = (row) => Math.max(0, row.n_received - seen.of(row.phone_number));

export function showUnread(row) {
  const badge = row.node.querySelector(".unread"), n = unreadOf(row);
  say(badge, n ? String(n) : "");
  if (n) badge.setAttribute("aria-label", `${n} unread`);
  linkOf(row).classList.toggle("is-unread", n > 0);
}

export function stopFollowing(row) {
  if (row.cancel) row.cancel();
  row.cancel = null;
}

// Looks again when the status of the last message moves on.
function follow(row) {
  stopFollowing(row);
  const at = nextChange(row.last);
  row.cancel = at === null ? null : when(at, () => showLast(row));
}

export function showLast(row) {
  const { node, last, phone_number } = row;
  follow(row);
  const time = node.querySelector("time");
  time.dateTime = last.received_at;
  time.title = wholeTime(last.received_at);
  time.textContent = briefTime(last.received_at);
  showPreview(node.querySelector(".preview"), last, phone_number);
}

export function show(row) {
  showLast(row);
  showUnread(row);
}
