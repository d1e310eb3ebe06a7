// The dashboard while it is looked at: the page is asked for again, and what has changed in it is put in its place.
const EVERY = 5000;
// A service that takes long to answer is asked less often, down to this.
const SELDOM = 30000;
const LONGEST = 20000;
const pause = document.getElementById("pause");
const state = document.getElementById("live-state");
let paused = false;
let timer = 0;
let asking = false;

function say(what) {
  const words = what ? state.dataset[what] : "";
  if (state.textContent !== words) state.textContent = words;
  state.hidden = !words;
}

function opened(element) {
  return new Map([...element.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
}

// What a reader opened stays open, and what they stand on keeps the focus.
function replace(old, fresh) {
  const open = opened(old);
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const places = [...old.querySelectorAll("[tabindex], summary, a, button")];
  const place = places.indexOf(focused);
  const scrolled = [...old.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]);
  old.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
  for (const [id, was] of open) {
    const details = document.getElementById(id);
    if (details) details.open = was;
  }
  [...old.querySelectorAll(".scroll")].forEach((each, at) => {
    if (scrolled[at]) [each.scrollLeft, each.scrollTop] = scrolled[at];
  });
  if (place >= 0) old.querySelectorAll("[tabindex], summary, a, button")[place]?.focus({ preventScroll: true });
}

// As the server sent it: `open` and what else a reader changes is no difference.
const sent = new Map();
function source(element) {
  return new XMLSerializer().serializeToString(element);
}

function take(page) {
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const key = fresh.dataset.live;
    const old = document.querySelector(`[data-live="${CSS.escape(key)}"]`);
    const text = source(fresh);
    if (old && sent.get(key) !== text) {
      replace(old, fresh);
      sent.set(key, text);
    }
  }
  return page.querySelector("[data-undrawn]") !== null;
}

function waitFor(ms) {
  clearTimeout(timer);
  if (!paused) timer = setTimeout(refresh, ms);
}

async function refresh() {
  if (asking || paused || document.visibilityState !== "visible") return;
  asking = true;
  const begun = performance.now();
  try {
    const options = { headers: { Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(LONGEST) };
    const answer = await fetch(location.href, options);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.querySelector("#token")) {
      say("ended");
      stop();
    } else if (page.querySelector("#board")) {
      if (!paused) {
        take(page);
        say("");
      }
      waitFor(Math.min(SELDOM, Math.max(EVERY, 10 * (performance.now() - begun))));
    } else {
      say("gone");
      waitFor(EVERY);
    }
  } catch {
    say("gone");
    waitFor(EVERY);
  } finally {
    asking = false;
  }
}

function stop() {
  clearTimeout(timer);
  pause.hidden = true;
  document.removeEventListener("visibilitychange", refresh);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? pause.dataset.go : pause.dataset.pause;
  say(paused ? "paused" : "");
  clearTimeout(timer);
  if (!paused) refresh();
});

if (document.getElementById("board")) {
  for (const element of document.querySelectorAll("[data-live]")) sent.set(element.dataset.live, source(element));
  pause.hidden = false;
  document.addEventListener("visibilitychange", refresh);
  waitFor(document.querySelector("[data-undrawn]") ? 500 : EVERY);
}
