// What comes after a reading: paper, a link, a picture, word that it is done.
import { copy } from "./afterwards.js";
import { text } from "./texts.js";

/** Make the button that prints work, and let no part of the lot stay folded on paper. */
export function preparePrint() {
  const button = document.getElementById("print");
  const folded = [];
  button.hidden = false;
  button.addEventListener("click", () => window.print());
  window.addEventListener("beforeprint", () => {
    folded.push(...document.querySelectorAll(".lot details:not([open]), #sources:not([open])"));
    for (const details of folded) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of folded.splice(0)) details.open = false;
  });
}

/** Show the link whole, and make the button that copies it work. */
export function prepareShare() {
  const link = document.getElementById("share-link");
  if (!link) return;
  const button = document.getElementById("share-copy");
  const said = document.getElementById("share-said");
  link.textContent = link.href;
  button.hidden = false;
  button.addEventListener("click", async () => {
    said.textContent = (await copy(link.href)) ? text("copied") : text("copy_failed");
    button.focus();
  });
}
