// The next visitor's turn. What the last one saw goes at once; the service is asked until it answers.
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 10000;
const LONGEST_ANSWER = 10000;
// Kept on the device while somebody's reading is: a page loaded anew, after a power cut too, is another visitor's.
const MARK = `jieqian kiosk ${document.body.dataset.api}`;
let begun = false;

/** Something is asked now: `taskId` once it is known. Where the browser keeps nothing, a page loaded anew goes on in the same session. */
export function noteVisit(taskId) {
  try {
    localStorage.setItem(MARK, taskId ?? "");
  } catch {
    // nothing is kept
  }
}

/** The task of a visit that nothing ended, "" for one unknown; null where there was none. */
export function visitLeft() {
  try {
    return localStorage.getItem(MARK);
  } catch {
    return null;
  }
}

function forgetVisit() {
  try {
    localStorage.removeItem(MARK);
  } catch {
    // nothing was kept
  }
}

/** Take everything of this visit off the page. */
export function blank() {
  document.getElementById("kiosk").replaceChildren();
  document.getElementById("moment").hidden = false;
  scrollTo(0, 0);
}

function pause(milliseconds) {
  return new Promise((done) => {
    setTimeout(done, milliseconds);
    addEventListener("online", done, { once: true });
  });
}

async function answered(address, options) {
  try {
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout?.(LONGEST_ANSWER), ...options });
    return answer.ok;
  } catch {
    return false; // no network, or the service is down: the caller asks again
  }
}

/** End this visit: a new session, and the greeting in the place of this page, so that no way leads back to it. */
export async function startAnew(taskId) {
  if (begun) return;
  begun = true;
  const { reset, home } = document.getElementById("kiosk").dataset;
  blank();
  const body = new URLSearchParams({ task_id: taskId ?? "" });
  // The greeting is asked for beforehand: a page that did not come would leave the browser's own in its place.
  for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    if ((await answered(reset, { method: "POST", body })) && (await answered(home))) break;
    await pause(wait);
  }
  forgetVisit();
  location.replace(home);
}
