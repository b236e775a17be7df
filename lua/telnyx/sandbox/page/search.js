// Search over everything: what is found stands in the place of the phones.

import { api } from "./api.js";
import { previewOf, statusOf } from "./bubble.js";
import { find, make, once, say, stamp } from "./dom.js";
import { addressOf } from "./router.js";
import { briefTime, counted } from "./times.js";

const PAGE = 50;
const input = find("search"), results = find("results"), list = find("phones"), note = find("list-note");

let generation = 0;

function rowOf(summary) {
  const item = stamp("result-row"), link = item.firstElementChild, [phone] = summary.phones;
  link.dataset.result = summary.id;
  link.href = addressOf(phone, summary.id);
  link.querySelector(".number").textContent = phone;
  link.querySelector("time").textContent = briefTime(summary.received_at);
  link.querySelector(".words").textContent = previewOf(summary);
  const preview = link.querySelector(".preview");
  preview.classList.toggle("from-phone", summary.direction === "inbound");
  preview.classList.toggle("bad", Boolean(statusOf(summary, phone).isBad));
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

async function load(words, before) {
  const mine = generation;
  const answer = await api.messages({ search: words, order: "newest", limit: PAGE, before });
  if (mine !== generation) return;
  if (!before) results.replaceChildren();
  results.append(...answer.data.map(rowOf));
  if (answer.more) results.append(moreButton(words, answer.data[answer.data.length - 1].seq));
  say(note, answer.total ? counted(answer.total, "message") : "Nothing found.");
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
};

input.addEventListener("input", once(show, 120));
input.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !search.isOpen) return;
  event.stopPropagation();
  event.preventDefault();
  search.clear();
});
