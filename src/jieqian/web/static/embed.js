// The widget's frame: draw or name a lot, see it, ask, and read on, all in one page. Its token lives here alone, so no
// step leads to another page; what a refresh needs is kept for this tab where the browser lets it.
import { ask, call, identify } from "./api.js";
import { allowAgain, guardInput, prepareQuestions, prepareSuggestions } from "./question.js";

const { token, origins, errors, wait, unreachable, readings } = document.body.dataset;
const place = document.getElementById("place");
const ended = document.getElementById("ended");
const faults = JSON.parse(errors);
const allowed = origins.split(" ");
// On another page of the same site the frame may be another temple's. Whoever chose the temple in the frame gets the
// choice again by a refresh.
const chosen = new URLSearchParams(location.search).has("others") || `${location.pathname}/readings` === readings;
const kept = `jieqian ${window.name} ${chosen ? readings : location.pathname}`;
let own = token;
let host = null;

// -- what outlives a refresh ------------------------------------------------------------------------------------------

function remember(taskId) {
  try {
    sessionStorage.setItem(kept, JSON.stringify({ token: own, taskId }));
  } catch {
    // a browser that keeps nothing in frames of other sites: then a refresh begins anew
  }
}

function forget() {
  try {
    sessionStorage.removeItem(kept);
  } catch {
    // nothing was kept
  }
}

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(kept) ?? "null");
  } catch {
    return null;
  }
}

// -- the page around the frame ----------------------------------------------------------------------------------------

function tellHeight() {
  if (host !== null) parent.postMessage({ jieqian: "height", height: document.body.getBoundingClientRect().height }, host);
}

addEventListener("message", (event) => {
  if (event.source !== parent || event.data?.jieqian !== "hello") return;
  if (!allowed.includes("*") && !allowed.includes(event.origin)) return;
  host = event.origin;
  tellHeight();
});
new ResizeObserver(tellHeight).observe(document.body);

// -- from step to step ------------------------------------------------------------------------------------------------

async function pageAt(address) {
  const url = new URL(address, location.href);
  url.searchParams.set("lang", document.documentElement.lang);
  const answer = await ask(url);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** Put that page's step in the place of this one's, its heading focused, so that it is read out. */
function show(page) {
  place.replaceChildren(...document.importNode(page.getElementById("place"), true).childNodes);
  const heading = place.querySelector("h1");
  heading.tabIndex = -1;
  heading.focus();
}

function tell(message) {
  const shown = document.getElementById("fault");
  shown.hidden = false;
  shown.textContent = message;
}

// What is no answer of the service's, a script that did not come, is told as no answer.
function inWords({ status = 0, problem = {} }) {
  const said = status === 0 ? unreachable : faults[problem.code] ?? problem.detail ?? unreachable;
  const seconds = problem.retry_after;
  return seconds === undefined ? said : `${said} ${wait.replace("{seconds}", seconds)}`;
}

/** Do one step; what goes wrong is told where the visitor is. */
async function step(work) {
  document.getElementById("fault").hidden = true;
  try {
    await work();
  } catch (error) {
    if (error.status === 401) return false; // told above, with a way on
    const page = error.answer && new DOMParser().parseFromString(await error.answer.text(), "text/html");
    tell(page?.getElementById("problem")?.textContent.trim() || inWords(error));
    return false;
  }
  return true;
}

function beginAgain() {
  forget();
  location.reload();
}

document.addEventListener("unknown-caller", () => {
  forget();
  ended.hidden = false;
});
document.getElementById("begin-again").addEventListener("click", beginAgain);

// -- the lot ----------------------------------------------------------------------------------------------------------

async function showLot(address) {
  show(await pageAt(address));
  prepareLot();
}

function prepareTemple() {
  const form = document.getElementById("by-number");
  const see = document.getElementById("see");
  import("./ritual.js");
  see.addEventListener("click", (event) => {
    event.preventDefault();
    step(() => showLot(see.href));
  });
  guardInput(form.elements.number);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    step(() => showLot(`${form.action}?${new URLSearchParams(new FormData(form))}`));
  });
}

function fresh() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function prepareLot() {
  const form = document.getElementById("ask");
  const { collection, lot, question, draw_id: drawId } = form.elements;
  let sent = { question: null, key: "" };

  async function send() {
    if (sent.question !== question.value) sent = { question: question.value, key: fresh() }; // sent twice it is one
    const asked = { collection: collection.value, lot: lot.value, question: question.value };
    if (drawId.value) asked.draw_id = drawId.value;
    const { task_id: taskId } = await call("POST", "/tasks", asked, { "Idempotency-Key": sent.key });
    remember(taskId);
    await showReading(taskId);
  }

  prepareQuestions();
  prepareSuggestions(question);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!(await step(send))) allowAgain(form);
  });
  document.getElementById("another").addEventListener("click", beginAgain);
}

// -- the reading ------------------------------------------------------------------------------------------------------

async function showReading(taskId) {
  show(await pageAt(`${readings}/${encodeURIComponent(taskId)}`));
  document.getElementById("another").addEventListener("click", beginAgain);
  document.getElementById("whole-reading")?.addEventListener("click", () => openWhole(taskId));
  document.getElementById("erase-now").addEventListener("click", () => step(() => erase(taskId)));
  if (document.getElementById("stop")) (await import("./watching.js")).prepareProgress();
}

async function erase(taskId) {
  await call("DELETE", `/tasks/${encodeURIComponent(taskId)}`);
  beginAgain();
}

// The service's own pages do not know this visitor: the way to the whole reading is a link made for it, now.
async function openWhole(taskId) {
  const tab = window.open("about:blank"); // while the press counts; where none may be opened the link remains
  const done = await step(async () => {
    const { url } = await call("POST", `/tasks/${encodeURIComponent(taskId)}/share`, {});
    const link = document.getElementById("whole-link");
    link.href = url;
    link.hidden = false;
    document.getElementById("whole-reading").hidden = true;
    link.focus();
    if (tab) tab.location.replace(link.href);
  });
  if (!done) tab?.close();
}

// -- begin ------------------------------------------------------------------------------------------------------------

async function goOn({ token: earlier, taskId }) {
  own = earlier;
  identify(own);
  try {
    await showReading(taskId);
  } catch (error) {
    if (error.status !== 0) forget();
    own = token;
    identify(own);
    if (error.status === 0) tell(unreachable);
    prepare();
  }
}

function prepare() {
  if (document.getElementById("ritual")) prepareTemple();
  if (document.getElementById("ask")) prepareLot();
}

const earlier = remembered();
identify(own);
if (earlier) await goOn(earlier);
else prepare();
