// Search over everything: what is found stands in the place of the phones.

import { api } from "./api.js";
import { previewOf, showPreview } from "./bubble.js";
import { find, make, once, say, stamp } from "./dom.js";
import { addressOf } from "./router.js";
import { plain } from "./text.js";
import { briefTime, counted } from "./times.js";

const PAGE = 50, AROUND = 24; // messages, characters
const input = find("search"), results = find("results");
const list = find("phones"), note = find("list-note");

let generation = 0, cursor = 0, total = 0;

// What stands around the words that were looked for.
function foundPart(summary) {
  const at = (summary.text || "").toLowerCase().indexOf(input.value.toLowerCase());
  if (at < AROUND) return previewOf(summary);
  return `…${plain(summary.text.slice(at - AROUND / 2, at + 200))}`;
}

function rowOf(summary) {
  const item = stamp("result-row"), link = item.firstElementChild, [phone] = summary.phones;
  link.dataset.result = summary.id;
  link.href = addressOf(phone, summary.id);
  link.querySelector(".number").textContent = phone;
  link.querySelector("time").textContent = briefTime(summary.received_at);
  showPreview(link.querySelector(".preview"), summary, phone, foundPart(summary));
  return item;
}

function moreButton(words, before) {
  const button = make("button", "plain", "Older ones");
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    await load(words, before).catch((problem) => say(note, problem.message));
    button.parentElement.remove();
  });
  return make("li", "more", button);
}

function showTotal() {
  say(note, total ? counted(total, "message") : "Nothing found.");
}

// What came since, above what was found.
const lookAgain = once(async () => {
  const words = input.value, mine = generation;
  if (!words) return;
  const query = { search: words, since: cursor, limit: 1000 };
  const answer = await api.messages(query).catch(() => null);
  if (!answer || mine !== generation) return;
  const known = (summary) => results.querySelector(`[data-result="${CSS.escape(summary.id)}"]`);
  const fresh = answer.data.filter((summary) => !known(summary));
  cursor = answer.cursor;
  total += fresh.length;
  results.prepend(...fresh.reverse().map(rowOf));
  showTotal();
}, 100);

async function load(words, before) {
  const mine = generation;
  const answer = await api.messages({ search: words, order: "newest", limit: PAGE, before });
  if (mine !== generation) return;
  if (!before) results.replaceChildren();
  results.append(...answer.data.map(rowOf));
  if (answer.more) results.append(moreButton(words, answer.data[answer.data.length - 1].seq));
  if (!before) {
    cursor = answer.cursor;
    total = answer.total;
  }
  showTotal();
  const first = results.querySelector("[data-result]");
  if (!before && first) first.tabIndex = 0;
}

function show() {
  const words = input.value;
  generation += 1;
  results.hidden = words === "";
  list.hidden = words !== "";
  say(note, words === "" ? "" : "Searching…");
  if (words === "") return results.replaceChildren();
  load(words).catch((problem) => say(note, problem.message));
}

export const search = {
  get isOpen() { return input.value !== ""; },
  focus() {
    input.focus();
    input.select();
  },
  clear() {
    input.value = "";
    show();
  },
  lookAgain() {
    if (search.isOpen) lookAgain();
  },
};

input.addEventListener("input", once(show, 120));
input.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !search.isOpen) return;
  event.stopPropagation();
  event.preventDefault();
  search.clear();
});
