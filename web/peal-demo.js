// A client of the JSON protocol in one screen of code, written for this page so that it needs nothing from elsewhere.
// For an application use a full client library, for instance npm's `centrifuge`, which works with Peal unmodified.
//
//   const peal = new PealClient("ws://host/connection/websocket");
//   peal.on("state", (state, why) => ...);                        "connecting" | "connected" | "disconnected"
//   const sub = peal.subscribe("chat:demo", {
//     subscribed: (result, how) => ...,   how: "fresh" | "recovered" | "lost" (the server cannot give what was missed)
//     publication: pub => ..., join: info => ..., leave: info => ...,
//     failed: error => ...,
//   });
//   await sub.publish({text: "hi"});   await peal.call("history", {channel: "chat:demo", limit: 50});

const REPLY_TIMEOUT_MS = 5000;
const PING_GRACE_MS = 10000;
const BACKOFF_MIN_MS = 300;
const BACKOFF_MAX_MS = 20000;

export class PealClient {
  constructor(url) {
    this.url = url;
    this.subs = new Map();
    this.handlers = new Map();
    this.waiting = new Map();
    this.attempts = 0;
    this.state = "disconnected";
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.retryNow());
  }

  on(event, handler) {
    this.handlers.set(event, handler);
    return this;
  }

  connect() {
    this.wanted = true;
    this.setState("connecting", "");
    const socket = this.socket = new WebSocket(this.url);
    socket.onopen = () => this.hello(socket);
    socket.onmessage = event => socket === this.socket && this.read(event.data);
    socket.onclose = event => socket === this.socket && this.closed(event.code, event.reason);
  }

  async hello(socket) {
    try {
      const result = await this.call("connect", { name: "peal-demo" });
      this.client = result.client;
      this.pong = result.pong;
      this.pingMs = result.ping ? result.ping * 1000 : 0;
      this.attempts = 0;
      this.watch();
      this.setState("connected", result.version);
      for (const sub of this.subs.values()) this.startSub(sub);
    } catch (error) {
      socket.close();
    }
  }

  // A reply or an error; errors have code and message, and code 0 when the connection is gone.
  call(method, params) {
    return new Promise((resolve, reject) => {
      if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return reject({ code: 0, message: "not connected" });
      const id = this.nextId = (this.nextId || 0) + 1;
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject({ code: 0, message: "no reply" });
      }, REPLY_TIMEOUT_MS);
      this.waiting.set(id, { method, resolve, reject, timer });
      this.socket.send(JSON.stringify({ id, [method]: params }));
    });
  }

  subscribe(channel, handlers) {
    const sub = {
      channel, handlers, offset: 0, epoch: "", positioned: false,
      publish: data => this.call("publish", { channel, data }),
    };
    this.subs.set(channel, sub);
    if (this.state === "connected") this.startSub(sub);
    return sub;
  }

  async startSub(sub) {
    const again = sub.positioned;
    const request = { channel: sub.channel };
    if (again) Object.assign(request, { recover: true, offset: sub.offset, epoch: sub.epoch });
    try {
      const result = await this.call("subscribe", request);
      sub.positioned = Boolean(result.recoverable);
      sub.epoch = result.epoch || "";
      sub.offset = result.offset || 0;
      sub.handlers.subscribed?.(result, !again ? "fresh" : result.recovered ? "recovered" : "lost");
      for (const pub of result.publications || []) this.publication(sub, pub);
    } catch (error) {
      if (error.code !== 0) sub.handlers.failed?.(error);
    }
  }

  publication(sub, pub) {
    if (pub.offset) sub.offset = pub.offset;
    sub.handlers.publication?.(pub);
  }

  read(text) {
    for (const line of text.split("\n")) {
      const message = JSON.parse(line);
      if (message.push) this.push(message.push);
      else if (message.id) this.reply(message);
      else {
        this.watch();                            // {} is the server's ping; an empty command is the answer
        if (this.pong) this.socket.send("{}");
      }
    }
  }

  reply(message) {
    const call = this.waiting.get(message.id);
    if (!call) return;
    this.waiting.delete(message.id);
    clearTimeout(call.timer);
    if (message.error) call.reject(message.error);
    else call.resolve(message[call.method] || {});
  }

  push(push) {
    const sub = this.subs.get(push.channel);
    if (!sub) return;
    if (push.pub) this.publication(sub, push.pub);
    else if (push.join) sub.handlers.join?.(push.join.info);
    else if (push.leave) sub.handlers.leave?.(push.leave.info);
    else if (push.unsubscribe && push.unsubscribe.code >= 2500) this.startSub(sub);
    else if (push.unsubscribe) sub.handlers.failed?.({ code: push.unsubscribe.code, message: push.unsubscribe.reason });
  }

  // The server pings; when it has been silent for longer than that plus a grace, it is gone and TCP does not know it yet.
  watch() {
    clearTimeout(this.watchdog);
    const socket = this.socket;
    if (this.pingMs) this.watchdog = setTimeout(() => this.gone(socket, "no ping"), this.pingMs + PING_GRACE_MS);
  }

  gone(socket, why) {
    if (socket !== this.socket) return;
    socket.close();
    this.closed(1006, why);
  }

  closed(code, reason) {
    this.socket = null;
    clearTimeout(this.watchdog);
    for (const call of this.waiting.values()) {
      clearTimeout(call.timer);
      call.reject({ code: 0, message: "connection lost" });
    }
    this.waiting.clear();
    const isFinal = (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
    const why = reason ? `${reason} (${code})` : code === 1006 ? "connection lost" : `closed with ${code}`;
    if (isFinal || !this.wanted) return this.setState("disconnected", why);
    const most = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.attempts++);
    this.setState("connecting", why);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), most * (0.5 + Math.random() / 2));
  }

  retryNow() {
    if (this.state !== "connecting" || this.socket) return;
    clearTimeout(this.retry);
    this.connect();
  }

  setState(state, detail) {
    this.state = state;
    this.handlers.get("state")?.(state, detail);
  }
}
