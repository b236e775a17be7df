// The page as a whole: what comes goes to where it is shown.

import { hold, release, setNow } from "./clock.js";
import { composer } from "./composer.js";
import { conversation } from "./conversation.js";
import { announce, find, once, say } from "./dom.js";
import "./keys.js";
import { knobs } from "./knobs.js";
import { live } from "./live.js";
import { otherOf } from "./bubble.js";
import { phones } from "./phones.js";
import { refusals } from "./refusals.js";
import { go, onPlace, place } from "./router.js";
import { search } from "./search.js";
import { seen } from "./seen.js";
import { strip } from "./strip.js";
import { plain } from "./text.js";
import { counted } from "./times.js";
import { weather } from "./weather.js";

let epoch = null;
let newest = null; // the epoch of the sandbox, also while the page stands still
let missed = false;
let isEmpty = false;
let isLoaded = false;

const SILENCE = "The sandbox does not answer. Trying again…";

function complain(problem) {
  say(find("trouble"), problem.status === 0 ? SILENCE : problem.message);
}

// What a person asked for and did not get is said until they ask for something else.
function forgetComplaint(isOfSilence) {
  const isSilence = find("trouble").textContent === SILENCE;
  if (isSilence === isOfSilence) say(find("trouble"), "");
}

// Which of the panes there is something to show in.
function showPanes() {
  const { phone } = place();
  document.body.classList.toggle("has-open", phone !== null);
  find("talk").hidden = phone === null;
  find("empty").hidden = phone !== null || !isEmpty;
  find("nothing-open").hidden = phone !== null || isEmpty || !isLoaded;
}

// What is open, and in sight, is read.
function markSeen() {
  if (conversation.phone && document.visibilityState === "visible" && !live.isPaused) {
    phones.markSeen(conversation.phone);
  }
}

function showHead() {
  const row = phones.get(conversation.phone);
  find("talk-blocked").hidden = !(row && row.is_blocked);
}

async function open({ phone, id }) {
  forgetComplaint(false);
  showPanes();
  phones.setCurrent(phone);
  if (!phone) return conversation.close();
  find("talk-number").textContent = plain(phone);
  composer.open(phone);
  try {
    await Promise.all([conversation.open(phone, id), phones.lookUp(phone)]);
  } catch (problem) {
    return complain(problem);
  }
  if (conversation.phone !== phone) return;
  phones.setCurrent(phone);
  composer.touched(conversation.other || "+13125550001");
  showHead();
  markSeen();
}

function focusConversation() {
  if (place().phone && find("phones").contains(document.activeElement)) {
    find("log").focus({ preventScroll: true });
  }
}

function tell(summary) {
  const isOpen = summary.phones.includes(conversation.phone);
  if (!isOpen) announce(`New message: ${summary.phones[0]}`);
}

const on = {
  message(summary) {
    phones.add(summary);
    conversation.add(summary);
    if (summary.phones.includes(conversation.phone)) composer.touched(otherOf(summary));
    tell(summary);
  },
  change(summary) {
    phones.update(summary);
    conversation.update(summary);
  },
  webhook: (data) => conversation.webhook(data.message_id),
  options(data) {
    weather.show(data);
    knobs.show(data);
  },
  refusal: refusals.add,
  reset(data) {
    refusals.begin(0);
    if (data.epoch !== epoch) begin(data.epoch);
  },
  behind: () => catchUp(),
};

// The sandbox is empty, or another one than before.
function begin(newEpoch) {
  epoch = newEpoch;
  go(null);
  conversation.close();
  search.clear();
  phones.clear();
  seen.begin(newEpoch, 0);
  return Promise.all([phones.load(), open(place())]).catch(complain);
}

async function catchUp() {
  try {
    await phones.load();
    await conversation.catchUp();
    showHead();
    markSeen();
  } catch (problem) {
    complain(problem);
  }
}

function showWaiting(queue, isOverfull) {
  const n = queue.filter((event) => event.kind === "message").length;
  const words = isOverfull ? "Paused. A great many messages wait."
    : n ? `Paused. ${counted(n, "message")} ${n === 1 ? "waits" : "wait"}.` : "Paused.";
  say(find("held"), live.isPaused ? words : "");
}

const STATES = { live: "Live", paused: "Paused", reconnecting: "Connecting" };

const sayTrouble = once(() => {
  if (document.body.dataset.live === "reconnecting") {
    say(find("trouble"), SILENCE);
  }
}, 600);

live.start({
  state(state, isConnected) {
    find("live-state").textContent = STATES[state];
    if (isConnected) forgetComplaint(true);
    else sayTrouble();
  },
  hello(data) {
    setNow(data.now);
    on.options(data.options);
    refusals.begin(data.n_refused);
    strip.load().catch(complain); // another sandbox signs with another key
    const isFirst = epoch === null;
    if (live.isPaused) missed = true;
    else if (!isFirst && epoch !== data.epoch) begin(data.epoch);
    else if (!isFirst) catchUp();
    if (!live.isPaused) epoch = data.epoch;
    newest = data.epoch;
  },
  batch(events) {
    for (const { kind, data } of events) on[kind](data);
    phones.settle();
    if (events.some(({ kind }) => kind === "message")) search.lookAgain();
    showHead();
    markSeen();
  },
  behind: catchUp,
  waiting: showWaiting,
});

// While the page stood still, the sandbox went away and came back.
function goOn() {
  missed = false;
  if (epoch !== newest) begin(newest);
  else catchUp();
}

function togglePause() {
  const pauses = !live.isPaused;
  const button = find("pause");
  button.setAttribute("aria-pressed", String(pauses));
  button.querySelector("use").setAttribute("href", pauses ? "#i-play" : "#i-pause");
  button.querySelector(".words").textContent = pauses ? "Go on" : "Pause";
  if (pauses) {
    hold();
    live.pause();
  } else {
    release();
    live.resume();
    if (missed) goOn();
  }
  showWaiting([], false);
}

phones.onChange((noPhones) => {
  isEmpty = noPhones;
  showPanes();
});
seen.onChange(phones.refreshUnread);
onPlace((where) => {
  open(where).then(() => {});
  focusConversation();
});
find("pause").addEventListener("click", togglePause);
document.addEventListener("visibilitychange", markSeen);

phones.load().catch(complain).then(() => {
  isLoaded = true;
  showPanes();
});
open(place());
weather.load().catch(complain);
