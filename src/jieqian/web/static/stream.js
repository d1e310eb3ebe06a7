// One task's events, followed to the end through drops, restarts and sleep.
import { address, call } from "./api.js";

const TYPES = [
  "queued", "stage", "lot", "care", "section_started", "section_delta", "section_reset", "section_finished",
  "completed", "failed", "stopped",
];
const FINAL = new Set(["completed", "failed", "stopped"]);
const SHORTEST_WAIT = 2000;
const LONGEST_WAIT = 30000;

/**
 * Follow the task, at `events` if its stream is not at the usual address. `told` is called with each event's type and
 * data, once each; `lost` and `back` as the connection goes and comes; `ended` with the task where it ended unseen;
 * `gone` where it was erased. One of the last two, or a final event, is the end. Gives a function that ends it before.
 */
export function follow(taskId, { events, told, lost, back, ended, gone }) {
  const path = `/tasks/${encodeURIComponent(taskId)}`;
  // In the widget its address holds good for some minutes only: the task tells of the next one.
  let stream = events ?? address(`${path}/events`);
  let source = null;
  let last = 0;
  let over = false;
  let looking = false;
  let wait = SHORTEST_WAIT;
  let timer = 0;

  function open() {
    const url = new URL(stream, location.href);
    if (last) url.searchParams.set("after", last);
    source = new EventSource(url);
    source.onopen = () => {
      wait = SHORTEST_WAIT;
      back();
    };
    source.onerror = () => {
      if (over) return;
      lost();
      // CONNECTING: the browser tries again by itself, with Last-Event-ID. CLOSED: it gave up, so ask why.
      if (source.readyState === EventSource.CLOSED) look();
    };
    for (const type of TYPES) source.addEventListener(type, take);
  }

  function take(event) {
    if (over) return;
    last = Number(event.lastEventId); // of an update without an id: the id before it
    if (FINAL.has(event.type)) finish();
    told(event.type, JSON.parse(event.data));
  }

  function finish() {
    over = true;
    clearTimeout(timer);
    source.close();
    document.removeEventListener("visibilitychange", wake);
    window.removeEventListener("online", wake);
    window.removeEventListener("pageshow", wake);
  }

  async function look() {
    if (over || looking) return;
    clearTimeout(timer);
    looking = true;
    try {
      const task = await call("GET", path);
      if (["completed", "failed", "stopped"].includes(task.status)) {
        finish();
        ended(task);
        return;
      }
      stream = task.events_url;
      open();
    } catch (error) {
      if (error.status === 401) {
        finish(); // whoever holds the token says so
        return;
      }
      if (error.status === 404) {
        finish();
        gone();
        return;
      }
      timer = setTimeout(look, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    } finally {
      looking = false;
    }
  }

  // A phone that slept, or a page brought back from the browser's cache, may hold a closed stream.
  function wake() {
    if (document.visibilityState === "visible" && source.readyState === EventSource.CLOSED) look();
  }

  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", wake);
  window.addEventListener("pageshow", wake);
  open();
  return finish;
}
