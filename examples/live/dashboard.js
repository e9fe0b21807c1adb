// Flights as they depart: counted in the page, from the topic's beginning on.
import { connect } from "./client/client.js";

const BUSIEST = 12;
const LATEST = 12;

const query = new URLSearchParams(location.search);
const broker = query.get("broker") ?? `http://${location.hostname}:7780`;
const match = query.get("match") || undefined;
const at = (id) => document.getElementById(id);

let flights = 0;
let delays = 0;
let moments = [];
let latest = [];
const airports = new Map();
let isDrawn = true;

function count({ key, value }) {
  flights += 1;
  delays += value.delay;
  airports.set(key, (airports.get(key) ?? 0) + 1);
  latest = [value, ...latest.slice(0, LATEST - 1)];
  moments.push(performance.now());
  drawSoon();
}

/** However many flights come, the page is drawn once a frame. */
function drawSoon() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    draw();
  });
}

function draw() {
  const second = performance.now() - 1_000;
  moments = moments.filter((moment) => second <= moment);
  at("flights").textContent = flights.toLocaleString();
  at("airports").textContent = airports.size;
  at("delay").textContent = flights ? `${(delays / flights).toFixed(1)} min` : "–";
  at("rate").textContent = moments.length.toLocaleString();
  at("latest").replaceChildren(...latest.map(row));
  const busiest = [...airports].sort(([, a], [, b]) => b - a).slice(0, BUSIEST);
  const most = busiest[0]?.[1] ?? 1;
  at("busiest").replaceChildren(...busiest.flatMap(([name, of]) => bar(name, of, most)));
}

function bar(name, of, most) {
  const length = element("i", "");
  length.style.width = `${(100 * of) / most}%`;
  return [element("b", name), length, element("span", of.toLocaleString())];
}

function row({ date, origin, destination, delay }) {
  const late = element("td", `${delay} min`);
  late.className = 0 < delay ? "late" : "early";
  const of = element("tr", "");
  of.append(...[date.slice(5), origin, destination].map((text) => element("td", text)), late);
  return of;
}

function element(name, text) {
  const of = document.createElement(name);
  of.textContent = text;
  return of;
}

at("filter").elements.match.value = match ?? "";
// The broker is kept where it was named.
at("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  query.set("match", new FormData(event.target).get("match"));
  location.search = query;
});
setInterval(drawSoon, 1_000);

const records = connect(broker).subscribe("flights", { from: "earliest", match });
records.on("state", (state) => {
  at("state").textContent = state;
  at("state").dataset.state = state;
});
records.on("gap", ({ partition, from, to, reason }) => {
  at("notice").textContent = `Flights ${from} to ${to} of partition ${partition} do not come: ${reason}`;
});
try {
  for await (const record of records) count(record);
} catch (error) {
  at("notice").textContent = error.message;
}
