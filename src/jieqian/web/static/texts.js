// The page's words: they come with the page, in its language.
const words = JSON.parse(document.body.dataset.texts);

/** The text of that key, `{name}` filled in from `values`. */
export function text(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Milliseconds as seconds with one decimal, in words. */
export function secondsText(milliseconds) {
  return text("seconds", { seconds: (milliseconds / 1000).toFixed(1) });
}
