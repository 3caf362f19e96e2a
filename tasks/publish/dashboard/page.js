// The page's behaviour: fills the drawings with data, chooses a code and a range of dates, sorts the table.
// Text from data goes through textContent or a drawing's text, never into markup.

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const { series, movers, trend } = read("data");
const specs = read("specs");
const DAY = 864e5;

// `ast` evaluates Vega's expressions without eval, which the page's content security policy forbids. Data and
// parameters go in with the drawing: one that is first drawn without them warns of empty scales, or grows too large.
async function draw(element, name, datasets, { params = {}, ...size } = {}) {
  const spec = { ...specs[name], ...size, datasets };
  spec.params = spec.params?.map((one) => (one.name in params ? { ...one, value: params[one.name] } : one));
  const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
    tooltip: { theme: "page", disableDefaultStyle: true } };
  return (await vegaEmbed(element, spec, options)).view;
}

const dayText = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const day = (time) => dayText.format(time);
const price = (value) => {
  const decimals = value < 1 ? 4 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
};
const percent = (share) => `${(Math.abs(share) * 100).toFixed(2)}%`;

// ---- Prices ----

// A few points make no line that can be seen: they are drawn as points as well.
const marked = (rows) => rows.map((row) => ({ ...row, lone: rows.length < 16 }));

function unpacked({ code, days, closes, sessions, averages, weeks, change }) {
  const weekly = sessions.map((at, i) => ({ t: at * DAY, average: averages[i], weeks: weeks[i] }));
  let next = 0;
  const daily = days.map((at, i) => {
    while (next < weekly.length && weekly[next].t <= at * DAY) next += 1;
    const known = weekly[next - 1]; // the average of the last week that had ended, as far as known on that day
    return { t: at * DAY, price: closes[i], day: day(at * DAY), close: price(closes[i]),
      mean: known ? price(known.average) : "none yet", weeks: known ? String(known.weeks) : "0" };
  });
  return { code, daily, weekly, change };
}

// The least and the largest value; a scale needs two, so that a single one gets company.
function span(values, gap) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least < most ? [least, most] : [least, least + gap];
}

function ends(daily, weekly) {
  const levels = [...daily.map(({ price }) => price), ...weekly.map(({ average }) => average)];
  return { times: span([daily[0].t, daily.at(-1).t], DAY), levels: span(levels, levels[0] / 20) };
}

function monthsBefore(time, months) {
  const date = new Date(time);
  date.setUTCMonth(date.getUTCMonth() - months);
  return date.getTime();
}

function reading({ daily, weekly, change }) {
  const last = daily.at(-1);
  const parts = [`${last.close} on ${last.day}`];
  if (change !== null && change !== undefined) {
    parts.push(change === 0 ? "unchanged in the week" : `${change > 0 ? "▲" : "▼"} ${percent(change)} in the week`);
  }
  if (weekly.length) {
    const against = last.price / weekly.at(-1).average - 1;
    const side = against < 0 ? "below" : "above";
    parts.push(Math.abs(against) < 5e-5 ? "at its ten-week average" : `${percent(against)} ${side} its ten-week average`);
  }
  return parts.join("  ·  ");
}

class PricePanel {
  static async open(index) {
    const panel = new PricePanel();
    const { daily, weekly } = unpacked(series[index]);
    panel.chart = await draw("#price", "price", { daily, weekly }, { params: ends(daily, weekly) });
    panel.strip = await draw("#strip", "strip", { daily });
    // The brush also changes by what the script does: only after a touch of the strip is it the reader's.
    document.getElementById("strip").addEventListener("pointerdown", () => { panel.touched = true; }, true);
    panel.strip.addSignalListener("brush", (_, { t }) => { if (panel.touched) panel.brushed(t); });
    panel.ranges = [...document.getElementsByName("range")];
    panel.codes = [...document.getElementsByName("code")];
    for (const radio of panel.ranges) radio.addEventListener("change", () => panel.preset());
    for (const radio of panel.codes) radio.addEventListener("change", () => panel.show(Number(radio.value)));
    await panel.show(index);
    return panel;
  }

  async show(index) {
    this.touched = false;
    this.codes[index].checked = true;
    reveal(this.codes[index].parentElement);
    this.one = unpacked(series[index]);
    document.getElementById("chosen").textContent = this.one.code;
    document.getElementById("reading").textContent = reading(this.one);
    await this.strip.data("daily", this.one.daily).runAsync();
    await this.preset();
  }

  // The months of the chosen button, up to the last session; without one, the dates that were brushed.
  async preset() {
    this.touched = false;
    const [first, last] = [this.one.daily[0].t, this.one.daily.at(-1).t];
    const chosen = this.ranges.find((radio) => radio.checked);
    let [from, to] = this.brush ?? [first, last];
    if (chosen) {
      const months = Number(chosen.value);
      [from, to] = [months ? Math.max(first, monthsBefore(last, months)) : first, last];
    }
    if (to < first || from > last) [from, to] = [first, last];
    const x = this.strip.scale("x");
    await this.strip.signal("brush_x", [x(Math.max(from, first)), x(Math.min(to, last))]).runAsync();
    await this.zoom(from, to);
  }

  brushed(range) {
    for (const radio of this.ranges) radio.checked = false;
    this.brush = range ? [Number(range[0]), Number(range[1])] : undefined;
    const all = [this.one.daily[0].t, this.one.daily.at(-1).t];
    return this.zoom(...(this.brush ?? all));
  }

  async zoom(from, to) {
    const within = ({ t }) => t >= from && t <= to;
    const daily = marked(this.one.daily.filter(within));
    const weekly = marked(this.one.weekly.filter(within));
    if (daily.length) {
      const { times, levels } = ends(daily, weekly);
      await this.chart.signal("times", times).signal("levels", levels).data("daily", daily).data("weekly", weekly).runAsync();
    }
    const text = daily.length ? `${daily[0].day} – ${daily.at(-1).day}` : "No session in this range";
    document.getElementById("span").textContent = text;
  }
}

// Scrolls the list, not the page.
function reveal(label) {
  const list = label.parentElement;
  list.scrollTop = label.offsetTop - (list.clientHeight - label.offsetHeight) / 2;
  list.scrollLeft = label.offsetLeft - (list.clientWidth - label.offsetWidth) / 2;
}

function filterCodes() {
  const wanted = document.getElementById("filter").value.trim().toLowerCase();
  let matches = 0;
  for (const label of document.querySelectorAll(".rail label")) {
    label.hidden = !label.querySelector(".code").textContent.toLowerCase().includes(wanted);
    matches += label.hidden ? 0 : 1;
  }
  document.getElementById("nomatch").hidden = matches > 0;
}

function biggestMover() {
  const sizes = series.map(({ change }) => Math.abs(change ?? 0));
  return sizes.indexOf(Math.max(...sizes));
}

async function drawPrices() {
  const panel = await PricePanel.open(biggestMover());
  const pick = (index) => {
    panel.show(index);
    document.getElementById("prices").scrollIntoView({ block: "start" });
  };
  const filter = document.getElementById("filter");
  filter.addEventListener("input", filterCodes);
  filter.form.addEventListener("submit", (event) => {
    event.preventDefault();
    document.querySelector(".rail label:not([hidden]) input")?.click();
  });
  for (const button of document.querySelectorAll("[data-pick]")) {
    button.addEventListener("click", () => pick(Number(button.dataset.pick)));
  }
  return pick;
}

// ---- Movers ----

async function drawMovers(side, pick) {
  const bars = movers[side];
  const size = { height: 26 * bars.length, params: { limit: movers.limit } };
  const view = await draw(`#${side}`, side, { movers: bars }, size);
  view.addEventListener("click", (_, item) => {
    const index = series.findIndex(({ code }) => code === item?.datum?.code);
    if (index >= 0) pick(index);
  });
}

// ---- The table ----

function sortBy(button) {
  const head = button.closest("th");
  const column = head.cellIndex;
  const numeric = button.dataset.sort === "number";
  // Numbers begin with the largest, words with the first.
  const descending = head.ariaSort ? head.ariaSort === "ascending" : numeric;
  const value = (row) => row.cells[column].dataset.value;
  const missing = (text) => text === "None";
  const compared = (a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0);
  const body = head.closest("table").tBodies[0];
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (numeric && (missing(a) || missing(b))) return missing(a) - missing(b); // last, either way
    return descending ? compared(b, a) : compared(a, b);
  });
  for (const other of head.parentElement.cells) other.ariaSort = null;
  head.ariaSort = descending ? "descending" : "ascending";
  body.append(...rows);
}

// ---- Quality ----

const windows = trend.windows.map((one) => one.window);

async function drawFailures() {
  const failed = trend.windows.flatMap((one) =>
    ["error", "warning"].filter((severity) => one[severity]).map((severity) => ({ ...one, severity, failed: one[severity] })));
  const clean = trend.windows.filter((one) => !one.error && !one.warning);
  const most = Math.max(...trend.windows.map((one) => one.error + one.warning));
  await draw("#failures", "failures", { failures: failed, clean }, { params: { most, windows } });
}

// Room for the mark of a failed check at either end; but a count begins at zero.
function roomy(values) {
  const [least, most] = span(values, 1);
  const room = (most - least) * 0.08;
  return [least === 0 ? 0 : least - room, most + room];
}

async function drawCheck(element) {
  const points = trend.checks[Number(element.dataset.check)].points.filter(({ value }) => value !== null);
  const values = points.flatMap((one) => [one.value, one.threshold ?? one.value]);
  await draw(element, "value", { check: points }, { params: { windows, levels: roomy(values) } });
}

// ---- All of it ----

const there = (id) => document.getElementById(id) !== null;
for (const button of document.querySelectorAll("[data-sort]")) button.addEventListener("click", () => sortBy(button));
const pick = there("price") ? await drawPrices() : () => undefined;
for (const side of ["rising", "falling"]) if (there(side)) await drawMovers(side, pick);
if (there("failures")) await drawFailures();
for (const element of document.querySelectorAll("[data-check]")) await drawCheck(element);
document.documentElement.dataset.drawn = "";
