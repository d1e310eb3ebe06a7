// One task's events, followed to the end through drops, restarts and sleep.
import { address, call } from "./api.js";

const TYPES = [
  "queued", "stage", "lot", "care", "section_started", "section_delta", "section_reset", "section_finished",
  "completed", "failed", "stopped",
];
const FINAL = new Set(["completed", "failed", "stopped"]);
const SHORTEST_WAIT = 2000;
const LONGEST_WAIT = 30000;
// After so long without an event the line may be dead, and no browser says so; a model that is slow may be as quiet.
const SILENCE = 45000;
// An answer may be waited for on a dead line that the browser would use once more: not for long, and then on another.
const LEAST_PATIENCE = 5000;
const MOST_PATIENCE = 15000;
// A page looked at again after so long without one asks at once.
const SLEPT = 15000;

/**
 * Follow the task, at `events` if its stream is not at the usual address. `told` is called with each event's type and
 * data, once each; `lost` and `back` as the connection goes and comes; `ended` with the task where it ended unseen;
 * `gone` where it was erased, or is no longer this browser's. One of the last two, or a final event, is the end. Gives
 * `again`, which tries again at once, and `end`, which ends it before.
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
  let patience = LEAST_PATIENCE;
  let timer = 0;
  let heard = 0;

  function open() {
    const url = new URL(stream, location.href);
    if (last) url.searchParams.set("after", last);
    source?.close();
    source = new EventSource(url);
    lookLater(SILENCE);
    source.onopen = () => {
      wait = SHORTEST_WAIT;
      patience = LEAST_PATIENCE;
      hear();
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

  function lookLater(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(look, milliseconds);
  }

  function hear() {
    heard = Date.now();
    lookLater(SILENCE);
  }

  function take(event) {
    if (over) return;
    hear();
    last = Number(event.lastEventId) || last; // of an update without an id: the id before it on this connection, or none
    if (FINAL.has(event.type)) finish();
    told(event.type, JSON.parse(event.data));
  }

  function finish() {
    over = true;
    clearTimeout(timer);
    source.close();
    document.removeEventListener("visibilitychange", wake);
    window.removeEventListener("pageshow", wake);
    window.removeEventListener("offline", lost);
    window.removeEventListener("online", look);
  }

  async function look() {
    if (over || looking) return;
    clearTimeout(timer);
    looking = true;
    try {
      const task = await call("GET", path, undefined, {}, patience);
      if (over) return;
      if (["completed", "failed", "stopped"].includes(task.status)) {
        finish();
        ended(task);
        return;
      }
      stream = task.events_url;
      open();
    } catch (error) {
      if (over) return;
      if (error.status === 401) {
        finish(); // whoever holds the token says so
        back();
        return;
      }
      if (error.status === 404 && error.problem.code) {
        finish();
        gone();
        return;
      }
      lost();
      patience = Math.min(patience * 2, MOST_PATIENCE);
      lookLater(wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    } finally {
      looking = false;
    }
  }

  // A phone that slept, or a page brought back from the browser's cache, may hold a closed stream, or a dead one.
  function wake() {
    const quiet = source.readyState === EventSource.CLOSED || Date.now() - heard > SLEPT;
    if (document.visibilityState === "visible" && quiet) look();
  }

  document.addEventListener("visibilitychange", wake);
  window.addEventListener("pageshow", wake);
  window.addEventListener("offline", lost);
  window.addEventListener("online", look);
  open();
  return { again: look, end: finish };
}
