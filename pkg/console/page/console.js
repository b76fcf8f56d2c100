"use strict";

const chinese = {
  function: "函数", event: "事件", eventText: "内容", invoke: "调用", async: "异步", http: "HTTP", body: "请求体", send: "发送",
  open: "在新标签页打开", answer: "响应", log: "日志", clear: "清空",
  starting: "启动中", ready: "就绪", changed: "文件已修改", failed: "失败", accepted: "已接受，结果见日志", cold: "冷启动", warm: "热启动", lost: "连接已断开",
};
const english = { accepted: "accepted; its log is on the right", cold: "cold", warm: "warm", lost: "the connection is lost" };
const inChinese = navigator.language.toLowerCase().startsWith("zh");
const say = (key) => (inChinese ? chinese : english)[key] ?? key;

const $ = (id) => document.getElementById(id);

if (inChinese) {
  document.documentElement.lang = "zh-CN";
  for (const e of document.querySelectorAll("[data-t]")) e.textContent = say(e.dataset.t);
}

const states = new Map(); // by function
const name = () => $("function").value;

function showState() {
  const { state, text } = states.get(name()) ?? {};
  $("state").textContent = state ? say(state) + (text && state !== "failed" ? ` (${text})` : "") : "";
  $("state").className = state === "failed" ? "failed" : "";
}

function showTarget() {
  $("open").href = `/http/${encodeURIComponent(name())}${$("path").value.startsWith("/") ? "" : "/"}${$("path").value}`;
}

function answer(summary, text, failed) {
  $("summary").textContent = summary;
  $("summary").className = failed ? "failed" : "";
  $("answer").textContent = text;
}

const binary = /[\u0000-\u0008\u000e-\u001f]/;
async function textOf(response) {
  const text = await response.text();
  return binary.test(text) ? `(${text.length} characters that are no text)` : text;
}

async function call(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    answer(say("failed"), String(error), true);
  } finally {
    button.disabled = false;
  }
}

$("invoke").addEventListener("submit", (e) => {
  e.preventDefault();
  call(e.submitter ?? e.target.querySelector("button"), async () => {
    const headers = { "Content-Type": "application/octet-stream" };
    if ($("async").checked) headers["X-Fc-Invocation-Type"] = "Async";
    const r = await fetch(`/2023-03-30/functions/${encodeURIComponent(name())}/invocations`, { method: "POST", headers, body: $("event").value });
    if (r.status === 202) return answer(`202 ${say("accepted")}`, r.headers.get("X-Fc-Request-Id"), false);
    const failure = r.headers.get("X-Fc-Error-Type");
    const parts = [String(r.status), failure, r.headers.get("X-Fc-Invocation-Duration") + " ms", r.headers.get("X-Fc-Max-Memory-Usage") + " MB"];
    if (r.headers.has("X-Fc-Cold-Start")) parts.push(say(r.headers.get("X-Fc-Cold-Start") === "true" ? "cold" : "warm"));
    answer(parts.filter((p) => p && !p.startsWith("null")).join(", "), await textOf(r), failure || !r.ok);
  });
});

$("request").addEventListener("submit", (e) => {
  e.preventDefault();
  call(e.submitter ?? e.target.querySelector("button"), async () => {
    showTarget();
    const method = $("method").value;
    const body = method === "GET" || method === "HEAD" ? undefined : $("body").value;
    const begun = performance.now();
    const r = await fetch($("open").href, { method, body, redirect: "manual" });
    const text = await textOf(r);
    answer(`${r.status} ${r.statusText}, ${(performance.now() - begun).toFixed(1)} ms`, text, r.status >= 500);
  });
});

$("clear").addEventListener("click", () => $("log").replaceChildren());
$("path").addEventListener("input", showTarget);
$("function").addEventListener("change", () => { showState(); showTarget(); });

const most = 2000; // lines that the log shows
function line(text, kind) {
  const log = $("log");
  const end = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  const e = document.createElement("div");
  e.textContent = text;
  if (kind) e.className = kind;
  log.append(e);
  while (log.childElementCount > most) log.firstChild.remove();
  if (end) log.scrollTop = log.scrollHeight;
}

function follow(several) {
  const events = new EventSource("/-/events");
  events.addEventListener("open", () => $("log").replaceChildren()); // what was comes again
  events.addEventListener("error", () => { $("state").textContent = say("lost"); $("state").className = "failed"; });
  events.addEventListener("message", (e) => {
    const { function: f, state, text } = JSON.parse(e.data);
    const from = several ? `[${f}] ` : "";
    if (!state) return line(from + (text ?? ""));
    states.set(f, { state, text });
    showState();
    line(`${from}${say(state)}${text ? ": " + text : ""}`, state === "failed" ? "state failed" : "state");
  });
}

(async () => {
  const functions = await (await fetch("/-/functions")).json();
  for (const f of functions) $("function").append(new Option(f.name, f.name));
  const trigger = () => { $("http").hidden = !functions.find((f) => f.name === name())?.trigger; };
  $("function").addEventListener("change", trigger);
  trigger();
  showTarget();
  follow(functions.length > 1);
})();
