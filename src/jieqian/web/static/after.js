// What comes after a reading: paper, a link, a picture, word that it is done.

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
