// To write as a phone: the reply below a conversation, and the form for a phone that is not there
// yet.

import { api } from "./api.js";
import { closeDialog, openDialog } from "./dialogs.js";
import { find, make, say } from "./dom.js";
import { mediaNode } from "./media.js";
import { go } from "./router.js";

const MOST_BYTES = 1024 * 1024;

const text = find("reply-text"), send = find("reply-send"), to = find("reply-to");
const attached = find("reply-media"), menu = find("attach-menu"), file = find("file");

let phone = null;
let drafts = new Map(); // by phone, what was written and not sent
let media = [];
let isSending = false; // who presses Enter twice means it once

function fit() {
  text.rows = Math.min(6, Math.max(1, text.value.split("\n").length));
  send.disabled = isSending || (!text.value && !media.length);
}

function complain(words) {
  say(find("reply-problem"), words);
}

function showMedia() {
  attached.replaceChildren(...media.map((url, i) => {
    const remove = make("button", "tool small", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", "Take the picture off");
    remove.addEventListener("click", () => {
      media.splice(i, 1);
      showMedia();
    });
    return make("span", "attachment", mediaNode(url), remove);
  }));
  attached.hidden = media.length === 0;
  fit();
}

// What is asked for while an answer is under way is not done again.
async function once(action, complainOf) {
  if (isSending) return false;
  isSending = true;
  fit();
  try {
    await action();
    return true;
  } catch (problem) {
    complainOf(problem.message);
    return false;
  } finally {
    isSending = false;
    fit();
  }
}

function reply(words, pictures = []) {
  const message = { from: phone, to: to.value, text: words };
  if (pictures.length) message.media_urls = pictures;
  complain("");
  return once(() => api.reply(message), complain);
}

async function sendText() {
  const sent = phone;
  if (!text.value && !media.length) return;
  if (!await reply(text.value, media)) return;
  drafts.delete(sent);
  if (sent !== phone) return;
  text.value = "";
  media = [];
  showMedia();
}

function toggleMenu(isOpen) {
  menu.hidden = !isOpen;
  find("attach").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) menu.firstElementChild.focus();
}

function attach(url) {
  media = [...media, url];
  showMedia();
  text.focus();
}

async function upload() {
  const [picture] = file.files;
  file.value = "";
  if (!picture) return;
  if (picture.size > MOST_BYTES) return complain("A picture may have at most 1 MB.");
  complain("");
  try {
    attach(await api.upload(picture));
  } catch (problem) {
    complain(problem.message);
  }
}

// The numbers of the account that this phone was in touch with, the latest chosen.
function showNumbers(number) {
  let option = [...to.options].find((one) => one.value === number);
  if (!option) {
    option = make("option", "", number);
    option.value = number;
    to.prepend(option);
  }
  to.value = number;
}

export const composer = {
  open(number) {
    if (number === phone) return;
    if (phone) drafts.set(phone, text.value);
    phone = number;
    text.value = drafts.get(number) || "";
    media = [];
    to.replaceChildren();
    complain("");
    toggleMenu(false);
    showMedia();
  },
  touched(number) {
    if (text.value === "" || !to.options.length) showNumbers(number);
  },
  focus() { text.focus(); },
};

async function sendNew() {
  const from = find("new-from").value.trim();
  const message = { from, to: find("new-to").value.trim(), text: find("new-text").value };
  const complainOfNew = (words) => say(find("new-problem"), words);
  complainOfNew("");
  if (!await once(() => api.reply(message), complainOfNew)) return;
  find("new-text").value = "";
  closeDialog("new-dialog");
  go(from);
}

function sendsOnEnter(area, action) {
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    action();
  });
}

export function writeAsNew() {
  say(find("new-problem"), "");
  openDialog("new-dialog", "new-from");
}

text.addEventListener("input", fit);
sendsOnEnter(text, sendText);
sendsOnEnter(find("new-text"), sendNew);
sendsOnEnter(find("new-from"), sendNew);
sendsOnEnter(find("new-to"), sendNew);
send.addEventListener("click", sendText);
find("composer").addEventListener("click", (event) => {
  const { word } = event.target.dataset;
  if (word) reply(word);
});
find("attach").addEventListener("click", () => toggleMenu(menu.hidden));
menu.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.stopPropagation();
  toggleMenu(false);
  find("attach").focus();
});
find("attach-sample").addEventListener("click", () => {
  toggleMenu(false);
  attach(`${location.origin}/sandbox/media/sample.png`);
});
find("attach-file").addEventListener("click", () => {
  toggleMenu(false);
  file.click();
});
file.addEventListener("change", upload);
find("new-phone").addEventListener("click", writeAsNew);
find("new-send").addEventListener("click", sendNew);
