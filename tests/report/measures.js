// What is wrong with the pages in the frames of this document, as JSON: one object a frame.
const BLOCKS = "td, th, p, h1, h2, h3, dt, dd, li, figcaption, summary";

function luminance(colour) {
  const channels = colour.match(/[\d.]+/g).slice(0, 3).map((value) => value / 255);
  const [r, g, b] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

function isClear(colour) {
  return colour === "transparent" || /,\s*0\)$/.test(colour);
}

// The colour behind an element: the box of a chip, or that of the nearest ancestor that has one.
function behind(view, element) {
  const box = element.matches("text.label") && element.parentElement.querySelector("rect");
  if (box) return view.getComputedStyle(box).fill;
  for (let place = element; place; place = place.parentElement) {
    const colour = view.getComputedStyle(place).backgroundColor;
    if (!isClear(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
}

function faint(view, document) {
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.matches("script, title")) continue;
    const style = view.getComputedStyle(element);
    const ratio = contrast(element.matches("text") ? style.fill : style.color, behind(view, element));
    if (ratio < 4.5) found.push([texts.currentNode.data.trim().slice(0, 40), ratio]);
  }
  return found;
}

function clipped(document) {
  const width = document.documentElement.clientWidth;
  return [...document.querySelectorAll(BLOCKS)]
    .filter((block) => block.getClientRects().length && !block.closest(".scroller, pre"))
    .filter((block) => block.scrollWidth > block.clientWidth + 1 || block.getBoundingClientRect().right > width + 0.5)
    .map((block) => block.textContent.slice(0, 40));
}

// Letters of the drawings that are too small to read, or lie outside of them.
function lettering(view, document) {
  const found = { small: [], outside: [] };
  for (const svg of document.querySelectorAll(".chart > svg, .scroller > svg")) {
    const frame = svg.getBoundingClientRect();
    const scale = frame.width / svg.viewBox.baseVal.width;
    for (const text of svg.querySelectorAll("text")) {
      const place = text.getBoundingClientRect();
      if (parseFloat(view.getComputedStyle(text).fontSize) * scale < 9.5) found.small.push(text.textContent);
      if (place.left < frame.left - 1 || place.right > frame.right + 1) found.outside.push(text.textContent);
    }
  }
  return found;
}

// How many rows of a long table are left once the first row's first words are sought.
function filtered(view, document) {
  const field = document.querySelector("input");
  if (!field) return null;
  const rows = [...field.nextElementSibling.tBodies[0].rows];
  field.value = rows[0].cells[0].textContent;
  field.dispatchEvent(new view.Event("input"));
  const left = rows.filter((row) => row.getClientRects().length).length;
  field.value = "";
  field.dispatchEvent(new view.Event("input"));
  return [left, rows.length];
}

function measure(view) {
  const document = view.document;
  const folded = [...document.querySelectorAll("details")].map((details) => details.open);
  for (const details of document.querySelectorAll("details")) details.open = true;
  const root = document.documentElement;
  return {
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    paper: luminance(view.getComputedStyle(document.body).backgroundColor),
    overflow: root.scrollWidth - root.clientWidth,
    clipped: clipped(document),
    faint: faint(view, document),
    ...lettering(view, document),
    folded,
    filtered: filtered(view, document),
    scripts: document.scripts.length,
    foreign: document.querySelectorAll("img, iframe, link, a, form, object, b, [onclick], [onload], [onerror]").length,
    attacked: "attacked" in view || "attacked" in window,
  };
}

addEventListener("load", () => {
  const views = [...document.querySelectorAll("iframe")].map((frame) => frame.contentWindow);
  document.getElementById("measures").textContent = JSON.stringify(views.map(measure));
});
