"use strict";

const element = (id) => document.getElementById(id);
const status = (text) => { element("status").textContent = text; };
let asked = 0;      // answers to former queries are dropped
let pinned = -1;    // the word that a click keeps shown

function made(name, text, parent) {
  const node = document.createElement(name);
  node.textContent = text;
  parent.append(node);
  return node;
}

async function answer(path, values) {
  const reply = await fetch(path + "?" + new URLSearchParams(values));
  if (!reply.ok) throw new Error((await reply.text()).trim());
  return reply.json();
}

/* One picture found; its name and captions are set as text, never as markup. */
function card(hit, rank) {
  const item = document.createElement("li");
  const figure = made("figure", "", item);
  const link = made("a", "", figure);
  link.href = "picture/" + hit.number;
  link.target = "_blank";
  const image = made("img", "", link);
  image.alt = hit.name;
  image.src = "view/" + hit.number;
  const caption = made("figcaption", "", figure);
  const first = made("span", "", caption);
  made("b", String(rank), first);
  made("em", hit.score, first);
  made("span", hit.name, caption);
  if (hit.captions.length) made("q", hit.captions[0], caption);
  const told = made("p", "", caption);
  return { item, link, told, number: hit.number, layers: [] };
}

function show(cards, word) {
  document.querySelectorAll("#words button").forEach((button, at) => {
    button.classList.toggle("shown", at === word);
    button.setAttribute("aria-pressed", String(at === pinned));
  });
  for (const one of cards) {
    one.layers.forEach(([layer], at) => layer.classList.toggle("shown", at === word));
    one.told.textContent = one.layers[word] ? one.layers[word][1] : "";
  }
}

/* Layers are SVG that the server draws from numbers alone. */
function layers(one, found) {
  one.layers = (found || []).map(([markup, text]) => {
    const holder = document.createElement("template");
    holder.innerHTML = markup;
    const layer = holder.content.firstElementChild;
    one.link.append(layer);
    return [layer, text];
  });
}

function buttons(cards, words) {
  const place = element("words");
  words.forEach((word, at) => {
    const button = made("button", word, place);
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("pointerenter", () => show(cards, at));
    button.addEventListener("pointerleave", () => show(cards, pinned));
    button.addEventListener("focus", () => show(cards, at));
    button.addEventListener("blur", () => show(cards, pinned));
    button.addEventListener("click", () => {
      pinned = pinned === at ? -1 : at;
      show(cards, pinned);
    });
  });
}

async function explain(query, cards, mine) {
  const batch = 12;
  for (let first = 0; first < cards.length; first += batch) {
    const some = cards.slice(first, first + batch);
    const found = await answer("words", { q: query, pictures: some.map((one) => one.number).join() });
    if (mine !== asked) return;
    some.forEach((one) => layers(one, found.layers[one.number]));
    if (!element("words").children.length) {
      buttons(cards, found.words);
      element("foot").textContent = [found.title, ...found.notes].filter(Boolean).join(" · ");
    }
  }
  status(element("status").textContent.replace(/ Reading .*/, "") + " Point at a word to see which patches it selects.");
}

async function search(query) {
  const mine = ++asked;
  pinned = -1;
  status("Searching …");
  try {
    const found = await answer("search", { q: query, k: 24 });
    if (mine !== asked) return;
    element("words").textContent = element("foot").textContent = "";
    const cards = found.hits.map((hit, at) => card(hit, at + 1));
    element("results").replaceChildren(...cards.map((one) => one.item));
    status(`The ${cards.length} nearest of ${found.pictures} pictures. Reading what the words select …`);
    await explain(query, cards, mine);
  } catch (error) {
    if (mine === asked) status(error.message);
  }
}

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const query = element("query").value;
  history.replaceState(null, "", "#" + encodeURIComponent(query));
  search(query);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== element("query")) {
    event.preventDefault();
    element("query").select();
  }
  if (event.key === "Escape") document.activeElement.blur();
});
if (location.hash.length > 1) {
  element("query").value = decodeURIComponent(location.hash.slice(1));
  search(element("query").value);
}
