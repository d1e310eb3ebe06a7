// How long nobody touched the screen.
const LOOK_EVERY = 250;
const LONGEST_WARNING = 15;
const TOUCHES = ["pointerdown", "pointermove", "touchmove", "wheel", "keydown", "click"];
// What is warned of goes at a whole touch alone: were it gone at a half, the other half would meet what lies under it.
const WHOLE = new Set(["keydown", "click"]);

/**
 * Watch. `allowed` gives the seconds that may pass now (0: any number); `warn` is called with the seconds left over the
 * last of them, `calm` when somebody is there after all, `end` once, when nobody was. `touch` begins the wait anew.
 */
export function watchIdle({ allowed, warn, calm, end }) {
  let touched = [];
  let warned = false;

  function touch() {
    touched = [performance.now(), Date.now()];
    if (warned) calm();
    warned = false;
  }

  function heed({ type }) {
    if (!warned || WHOLE.has(type)) touch();
  }

  // One clock stands still while a device sleeps, the other may be set back: the longer time counts.
  function idleSeconds() {
    return Math.max(performance.now() - touched[0], Date.now() - touched[1]) / 1000;
  }

  function look() {
    const most = allowed();
    const left = most - idleSeconds();
    if (most && left <= 0) {
      stop();
      end();
    } else if (most && left <= Math.min(LONGEST_WARNING, most / 2)) {
      warned = true;
      warn(Math.ceil(left));
    } else if (warned) {
      touch();
    }
  }

  function stop() {
    clearInterval(looking);
    for (const type of TOUCHES) removeEventListener(type, heed, true);
  }

  const looking = setInterval(look, LOOK_EVERY);
  for (const type of TOUCHES) addEventListener(type, heed, { capture: true, passive: true });
  touch();
  return { touch, stop };
}
