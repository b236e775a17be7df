// Times in the browser's language.

const language = [...(navigator.languages || [])];
const format = (options) => new Intl.DateTimeFormat(language, options);
const hour = format({ hour: "2-digit", minute: "2-digit" });
const day = format({ month: "short", day: "numeric" });
const both = format({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const exact = format({
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3,
});
const whole = format({ dateStyle: "full", timeStyle: "long" });
const number = new Intl.NumberFormat(language);

const isToday = (date) => date.toDateString() === new Date().toDateString();

function shown(iso, today, otherwise) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return String(iso);
  return (isToday(date) ? today : otherwise).format(date);
}

export const briefTime = (iso) => shown(iso, hour, day);
export const messageTime = (iso) => shown(iso, hour, both);
export const exactTime = (iso) => shown(iso, exact, exact);
export const wholeTime = (iso) => shown(iso, whole, whole);
export const count = (n) => number.format(n);

// A count and its noun: "1 part", "2 parts".
export const counted = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
