// The list of phones, newest on top. A row is made once; what comes moves it, and never remakes the
// list. Older phones are fetched as one scrolls down.

import { api } from "./api.js";
import { find, once } from "./dom.js";
import { linkOf, makeNode, show, showLast, showUnread, stopFollowing } from "./row.js";
import { seen } from "./seen.js";

const FIRST = 100, MOST = 500, TRIM_AT = 600, TRIM_TO = 300; // rows

const list = find("phones");
let rows = new Map(); // by number: what the sandbox says of a phone, and its node
let meanwhile = [], countedTo = 0, tail = null, hasMore = false, isLoading = false, size = FIRST;
let generation = 0;
let current = null;
let changed = () => {};

// Counts of an answer hold up to its cursor; what came later is counted as it comes.
function adopt(data, cursor) {
  const row = rows.get(data.phone_number);
  if (!row) {
    const fresh = { ...data, countedTo: cursor, node: null };
    rows.set(data.phone_number, fresh);
    return fresh;
  }
  if (cursor >= row.countedTo) {
    const last = row.last && row.last.seq > data.last.seq ? row.last : data.last;
    Object.assign(row, data, { last, countedTo: cursor });
  }
  return row;
}

function showCount() {
  const isEmpty = rows.size === 0 && !isLoading;
  document.body.classList.toggle("has-phones", rows.size > 0);
  changed(isEmpty);
}

const seqOf = (node) => rows.get(node.firstElementChild.dataset.phone).last.seq;

function isInOrder({ node, last }) {
  const before = node.previousElementSibling, after = node.nextElementSibling;
  return node.isConnected && (!before || seqOf(before) >= last.seq)
    && (!after || seqOf(after) <= last.seq);
}

// Most rows go to the top or to the end; between others only what was missed for a while.
function insert({ node, last }) {
  const top = list.firstElementChild;
  if (!top || seqOf(top) <= last.seq) return list.prepend(node);
  let before = list.lastElementChild;
  while (before && (before === node || seqOf(before) < last.seq)) {
    before = before.previousElementSibling;
  }
  return before.after(node);
}

function place(row) {
  if (!row.node) row.node = makeNode(row.phone_number);
  const isFocused = row.node.contains(document.activeElement);
  if (!isInOrder(row)) insert(row);
  if (isFocused) linkOf(row).focus({ preventScroll: true });
  if (row.phone_number === current) linkOf(row).setAttribute("aria-current", "true");
  show(row);
}

function oneTabStop() {
  const stop = list.querySelector('[tabindex="0"]');
  if (!stop && list.firstElementChild) list.firstElementChild.firstElementChild.tabIndex = 0;
}

// Who looks at the newest phones needs no ten thousand older ones; they come again when wanted.
function trim() {
  if (list.children.length < TRIM_AT || list.scrollTop > list.clientHeight) return;
  for (const item of [...list.children].slice(TRIM_TO)) {
    const number = item.firstElementChild.dataset.phone, row = rows.get(number);
    if (number === current || item.contains(document.activeElement)) continue;
    stopFollowing(row);
    rows.delete(number);
    item.remove();
  }
  tail = seqOf(list.children[TRIM_TO - 1]);
  hasMore = true;
}

// What came while the answer was under way is not in its count.
function adoptTotal({ epoch, cursor, n_received }) {
  const later = meanwhile.filter((one) => one.seq > cursor);
  seen.begin(epoch, later.reduce((sum, one) => sum + one.n, n_received));
  countedTo = Math.max(countedTo, cursor);
}

async function loadPage() {
  const mine = generation;
  isLoading = true;
  meanwhile = [];
  try {
    const answer = await api.phones({ limit: size, before: tail });
    if (mine !== generation) return;
    if (tail === null) adoptTotal(answer);
    answer.data.map((data) => adopt(data, answer.cursor)).forEach(place);
    if (answer.data.length) tail = answer.data[answer.data.length - 1].last.seq;
    hasMore = answer.more;
    size = Math.min(MOST, size * 2);
    oneTabStop();
  } finally {
    if (mine === generation) isLoading = false;
  }
  showCount();
}

// How much a phone had got that was not in the list is not known; the newest ones are asked for.
let nGuessed = 0;
const askForGuessed = once(async () => {
  const limit = Math.min(MOST, nGuessed), mine = generation;
  nGuessed = 0;
  const answer = await api.phones({ limit }).catch(() => null);
  if (!answer || mine !== generation) return;
  for (const data of answer.data) {
    const row = adopt(data, answer.cursor);
    if (row.node) show(row);
  }
  changed(false);
}, 200);

function guess() {
  nGuessed += 1;
  askForGuessed();
}

// Something newer than all that is listed.
function take(number, summary) {
  let row = rows.get(number);
  if (!row) {
    const n = hasMore ? seen.of(number) : 0;
    if (hasMore) guess();
    row = {
      phone_number: number, n_received: n, n_sent: 0, is_blocked: false, countedTo: 0,
      last: summary, node: null,
    };
    rows.set(number, row);
  }
  if (summary.seq > row.countedTo) {
    row.countedTo = summary.seq;
    if (summary.direction === "outbound") row.n_received += 1;
    else row.n_sent += 1;
  }
  if (summary.autoresponse_type === "STOP") row.is_blocked = true;
  if (summary.autoresponse_type === "START") row.is_blocked = false;
  if (summary.seq >= row.last.seq) {
    row.last = summary;
    place(row);
  }
}

export const phones = {
  onChange(action) { changed = action; },

  async load() {
    generation += 1;
    tail = null;
    await loadPage();
  },

  // Everything was deleted.
  clear() {
    generation += 1;
    for (const row of rows.values()) stopFollowing(row);
    rows = new Map();
    size = FIRST;
    list.replaceChildren();
    countedTo = 0;
    tail = null;
    hasMore = false;
    isLoading = false;
    showCount();
  },

  add(summary) {
    for (const number of summary.phones) take(number, summary);
    if (summary.seq > countedTo) {
      countedTo = summary.seq;
      if (summary.direction !== "outbound") return;
      const n = summary.phones.length;
      if (isLoading) meanwhile.push({ seq: summary.seq, n });
      seen.more(n);
    }
  },

  // After many were added.
  settle() {
    trim();
    oneTabStop();
    showCount();
  },

  update(summary) {
    for (const number of summary.phones) {
      const row = rows.get(number);
      if (row && row.node && row.last.id === summary.id) {
        row.last = summary;
        showLast(row);
      }
    }
  },

  // What is known of a phone, asked for when it is not in the list yet; null when there is none.
  async lookUp(number) {
    const row = rows.get(number);
    if (row && row.node) return row;
    const answer = await api.phones({ search: number, limit: 500 });
    const data = answer.data.find((phone) => phone.phone_number === number);
    return data ? adopt(data, answer.cursor) : null;
  },

  get: (number) => rows.get(number),

  markSeen(number) {
    const row = rows.get(number);
    if (!row) return;
    seen.mark(number, row.n_received);
    if (row.node) showUnread(row);
  },

  setCurrent(number) {
    const before = list.querySelector('[aria-current="true"]');
    if (before) before.removeAttribute("aria-current");
    current = number;
    const row = rows.get(number);
    if (row && row.node) linkOf(row).setAttribute("aria-current", "true");
  },

  refreshUnread() {
    for (const row of rows.values()) if (row.node) showUnread(row);
  },
};

// Near the end of the list there is more to come.
list.addEventListener("scroll", () => {
  const rest = list.scrollHeight - list.scrollTop - list.clientHeight;
  if (hasMore && !isLoading && rest < 800) loadPage().catch(() => { isLoading = false; });
}, { passive: true });
