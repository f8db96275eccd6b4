// The demo page: chat with history, presence and typing; live quotes; the curl lines. The protocol is in peal-demo.js.
import { PealClient } from "./peal-demo.js";

const CHAT = "chat:demo", TYPING = "typing:demo";
const SYMBOLS = ["BELL", "TOWR", "CHYM", "GONG", "BRNZ", "ECHO"];
const KEY = "demo-api-key";
const SHOWN = 300, TREND = 40, TYPING_MS = 3000, RTT_MS = 5000;

const $ = id => document.getElementById(id);
const scheme = location.protocol === "https:" ? "wss" : "ws";
const peal = new PealClient(`${scheme}://${location.host}/connection/websocket`);
const people = new Map();                       // client id -> name, "" until it is told
const typing = new Map();                       // client id -> timer

// ---- who I am
const words = ["amber", "brass", "copper", "dusk", "ember", "fern", "golden", "hazel", "ivory", "jade", "linden", "misty"];
const birds = ["finch", "heron", "jay", "lark", "martin", "owl", "plover", "raven", "robin", "swift", "tern", "wren"];
const any = list => list[Math.floor(Math.random() * list.length)];
let store = {};
try { store = localStorage; } catch { /* private mode of some browsers: the name lives as long as the page */ }
$("name").value = store.pealName || `${any(words)} ${any(birds)}`;
const myName = () => $("name").value.trim() || "somebody";
$("name").addEventListener("change", () => {
  store.pealName = $("name").value;
  tellName();
});

// ---- connection
peal.on("state", (state, detail) => {
  $("state").dataset.state = state;
  $("state").textContent = { connected: "connected", connecting: "connecting", disconnected: "not connected" }[state];
  $("detail").textContent = detail;
  $("send").disabled = state !== "connected";
});
setInterval(async () => {
  if (peal.state !== "connected" || document.hidden) return;
  const start = performance.now();
  try {
    await peal.call("rpc", { method: "ping" });
    $("detail").textContent = `${(performance.now() - start).toFixed(1)} ms there and back`;
  } catch { /* told by the state */ }
}, RTT_MS);

// ---- chat
function line(kind, name, text, at) {
  const li = document.createElement("li");
  li.className = kind;
  if (at) {
    const time = document.createElement("time");
    time.textContent = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    li.append(time);
  }
  if (name) {
    const b = document.createElement("b");
    b.textContent = name;
    li.append(b);
  }
  li.append(text);
  const list = $("messages"), isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  list.append(li);
  while (list.children.length > SHOWN) list.firstChild.remove();
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

function message(pub) {
  const data = pub.data && typeof pub.data === "object" ? pub.data : { text: String(pub.data) };
  const client = pub.info?.client;
  stopTyping(client);
  if (client && data.user) nameOf(client, data.user);
  line(client === peal.client ? "message mine" : "message", String(data.user || "unnamed"), String(data.text ?? JSON.stringify(data)), data.at || 0);
}

const chat = peal.subscribe(CHAT, {
  async subscribed(result, how) {
    if (how === "lost") line("notice", "", "The server cannot tell what was said meanwhile (it was restarted, or it is too long ago). Here is what it has:");
    if (how !== "recovered") {
      $("messages").querySelectorAll("li.message").forEach(li => li.remove());
      const { publications } = await peal.call("history", { channel: CHAT, limit: 100, reverse: true });
      publications.reverse().forEach(message);
      $("messages").scrollTop = $("messages").scrollHeight;
    } else if (result.publications?.length) {
      line("notice", "", `Reconnected; ${result.publications.length} missed:`);
    }
    const { presence } = await peal.call("presence", { channel: CHAT });
    for (const id of people.keys()) if (!presence[id]) people.delete(id);
    for (const id of Object.keys(presence)) if (!people.has(id)) people.set(id, "");
    people.set(peal.client, myName());
    showPeople();
  },
  publication: message,
  join(info) {
    if (!people.has(info.client)) people.set(info.client, "");
    showPeople();
    if (info.client !== peal.client) setTimeout(tellName, Math.random() * 400);
  },
  leave(info) {
    people.delete(info.client);
    stopTyping(info.client);
    showPeople();
  },
  failed: error => line("notice", "", `No chat: ${error.message} (${error.code})`),
});

$("form").addEventListener("submit", async event => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  lastTyping = 0;
  try {
    await chat.publish({ user: myName(), text, at: Date.now() });
  } catch (error) {
    $("text").value = text;
    line("notice", "", `Not sent: ${error.message}`);
  }
});

// ---- names and typing: small messages in a channel without history
const side = peal.subscribe(TYPING, {
  subscribed: () => tellName(),
  publication(pub) {
    const client = pub.info?.client;
    if (!client) return;
    if (pub.data?.user) nameOf(client, pub.data.user);
    if (!pub.data?.typing || client === peal.client) return;
    stopTyping(client);
    typing.set(client, setTimeout(() => stopTyping(client), TYPING_MS));
    showTyping();
  },
});

function tellName() {
  people.set(peal.client, myName());
  showPeople();
  side.publish({ user: myName() }).catch(() => {});
}

let lastTyping = 0;
$("text").addEventListener("input", () => {
  if (Date.now() - lastTyping < TYPING_MS / 2 || !$("text").value) return;
  lastTyping = Date.now();
  side.publish({ user: myName(), typing: true }).catch(() => {});
});

function nameOf(client, name) {
  if (!people.has(client) || people.get(client) === name) return;
  people.set(client, String(name).slice(0, 24));
  showPeople();
}

function stopTyping(client) {
  clearTimeout(typing.get(client));
  if (typing.delete(client)) showTyping();
}

const called = id => people.get(id) || `guest ${id.slice(0, 4)}`;

function showTyping() {
  const names = [...typing.keys()].map(called);
  $("typing").textContent = !names.length ? " " : names.length === 1 ? `${names[0]} is typing…`
    : names.length < 4 ? `${names.join(", ")} are typing…` : `${names.length} people are typing…`;
}

function showPeople() {
  const ids = [...people.keys()].filter(Boolean).sort((a, b) => called(a).localeCompare(called(b)));
  $("count").textContent = ids.length;
  $("people").replaceChildren(...ids.slice(0, 100).map(id => {
    const li = document.createElement("li");
    li.textContent = called(id);
    if (id === peal.client) li.className = "me";
    return li;
  }));
}

// ---- quotes: one channel a symbol; the last value comes with the subscription
let ticks = [];
setInterval(() => {
  ticks = ticks.filter(at => at > performance.now() - 5000);
  $("rate").textContent = ticks.length ? `${(ticks.length / 5).toFixed(1)} a second` : "quiet (./dev serve starts tools/demo_quotes.py)";
}, 1000);

for (const symbol of SYMBOLS) {
  const row = $("quotes").insertRow();
  const [name, price, change, trend] = [0, 1, 2, 3].map(() => row.insertCell());
  const seen = [];
  row.id = `quote-${symbol}`;
  name.textContent = symbol;
  price.textContent = change.textContent = "–";
  trend.className = "line";
  peal.subscribe(`quotes:${symbol}`, {
    publication(pub) {
      const { price: now, open } = pub.data || {};
      if (typeof now !== "number") return;
      const before = seen.at(-1) ?? now;
      seen.push(now);
      if (seen.length > TREND) seen.shift();
      ticks.push(performance.now());
      price.textContent = now.toFixed(2);
      const percent = open ? (now / open - 1) * 100 : 0;
      change.textContent = `${percent >= 0 ? "+" : "−"}${Math.abs(percent).toFixed(2)} %`;
      change.className = percent >= 0 ? "up" : "down";
      trend.className = `line ${change.className}`;
      trend.innerHTML = spark(seen);
      row.className = "";
      void row.offsetWidth;                     // the animation starts anew
      row.className = now > before ? "flash-up" : now < before ? "flash-down" : "";
    },
  });
}

function spark(values) {
  const low = Math.min(...values), span = Math.max(...values) - low || 1;
  const left = TREND - values.length;
  const points = values.map((v, i) => `${((left + i) * 100 / (TREND - 1)).toFixed(1)},${(19 - (v - low) / span * 18).toFixed(1)}`);
  return `<svg viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true"><polyline points="${points.join(" ")}"/></svg>`;
}

// ---- curl
const insecure = scheme === "wss" ? " -k" : "";
const curl = (channel, data) => `curl${insecure} -H 'X-API-Key: ${KEY}' -d '${JSON.stringify({ channel, data })}' ${location.origin}/api/publish`;
$("curl-chat").textContent = curl(CHAT, { user: "curl", text: "Hello from a terminal" });
$("curl-quote").textContent = curl("quotes:BELL", { price: 123.45, open: 100 });
for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText($(button.dataset.of).textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren($(button.dataset.of));
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

peal.connect();
