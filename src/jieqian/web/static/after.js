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

async function loaded(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

// The browser has the fonts its reader reads with; a server may have none for Chinese.
async function png(image) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png");
  });
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Show the picture once it is asked for, with the question or without, and let it be saved as a PNG. */
export function preparePicture() {
  const card = document.getElementById("picture");
  if (!card) return;
  const [asked, shown, button, svg, said] = ["question", "shown", "save", "svg", "said"].map((part) =>
    document.getElementById(`picture-${part}`),
  );
  const address = svg.href;
  const title = document.querySelector("h1").textContent.trim().replace(/\s+/g, " ");

  async function show() {
    svg.href = asked.checked ? `${address}?question=1` : address;
    try {
      const image = await loaded(svg.href);
      image.alt = title;
      shown.replaceChildren(image);
    } catch {
      said.textContent = text("picture_failed");
    }
  }

  document.getElementById("picture-choice").hidden = false;
  button.hidden = false;
  card.addEventListener("toggle", () => card.open && show());
  asked.addEventListener("change", show);
  button.addEventListener("click", async () => {
    try {
      save(await png(await loaded(svg.href)), `${card.dataset.name}.png`);
      said.textContent = text("picture_saved");
    } catch {
      said.textContent = text("picture_failed");
    }
  });
}
