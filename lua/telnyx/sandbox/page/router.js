// The address: `#/`, `#/+13125550002`, `#/+13125550002/<message id>`.

function encode(text) {
  return encodeURIComponent(text).replace(/%2B/g, "+");
}

function decode(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

export function addressOf(phone, id) {
  if (!phone) return "#/";
  return `#/${encode(phone)}${id ? `/${encode(id)}` : ""}`;
}

export function place() {
  const [phone, id] = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  return { phone: phone || null, id: id || null };
}

export function go(phone, id) {
  const address = addressOf(phone, id);
  if (location.hash !== address) location.hash = address;
}

export function onPlace(action) {
  addEventListener("hashchange", () => action(place()));
}
