// The page's behaviour: fills the drawings with data, chooses a code and a range of dates, sorts the table.
// Text from data goes through textContent or a drawing's text, never into markup.

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const { series, movers, trend } = read("data");
const specs = read("specs");
const DAY = 864e5;

// `ast` evaluates Vega's expressions without eval, which the page's content security policy forbids.
const draw = async (element, name) => {
  const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
    tooltip: { theme: "page", disableDefaultStyle: true } };
  return (await vegaEmbed(element, specs[name], options)).view;
};

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
    parts.push(`${percent(against)} ${against < 0 ? "below" : "above"} its ten-week average`);
  }
  return parts.join("  ·  ");
}

class PricePanel {
  static async open() {
    const panel = new PricePanel();
    panel.chart = await draw("#price", "price");
    panel.strip = await draw("#strip", "strip");
    panel.strip.addSignalListener("brush", (_, { t }) => { if (!panel.busy) panel.brushed(t); });
    panel.ranges = [...document.getElementsByName("range")];
    panel.codes = [...document.getElementsByName("code")];
    for (const radio of panel.ranges) radio.addEventListener("change", () => panel.preset());
    for (const radio of panel.codes) radio.addEventListener("change", () => panel.show(Number(radio.value)));
    return panel;
  }

  async show(index) {
    this.codes[index].checked = true;
    this.one = unpacked(series[index]);
    document.getElementById("chosen").textContent = this.one.code;
    document.getElementById("reading").textContent = reading(this.one);
    this.busy = true;
    await this.strip.data("daily", this.one.daily).runAsync();
    this.busy = false;
    await this.preset();
  }

  // The months of the chosen button, up to the last session; without one, the dates that were brushed.
  async preset() {
    const [first, last] = [this.one.daily[0].t, this.one.daily.at(-1).t];
    const chosen = this.ranges.find((radio) => radio.checked);
    let [from, to] = this.brush ?? [first, last];
    if (chosen) {
      const months = Number(chosen.value);
      [from, to] = [months ? Math.max(first, monthsBefore(last, months)) : first, last];
    }
    if (to < first || from > last) [from, to] = [first, last];
    const x = this.strip.scale("x");
    this.busy = true;
    await this.strip.signal("brush_x", [x(Math.max(from, first)), x(Math.min(to, last))]).runAsync();
    this.busy = false;
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
    await this.chart.data("daily", daily).data("weekly", weekly).runAsync();
    const text = daily.length ? `${daily[0].day} – ${daily.at(-1).day}` : "No session in this range";
    document.getElementById("span").textContent = text;
  }
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
  const panel = await PricePanel.open();
  await panel.show(biggestMover());
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
  const view = await draw(`#${side}`, side);
  await view.signal("limit", movers.limit).data("movers", movers[side]).runAsync();
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

async function drawFailures() {
  const failed = trend.windows.flatMap((one) =>
    ["error", "warning"].filter((severity) => one[severity]).map((severity) => ({ ...one, severity, failed: one[severity] })));
  const clean = trend.windows.filter((one) => !one.error && !one.warning);
  const most = Math.max(...trend.windows.map((one) => one.error + one.warning));
  const view = await draw("#failures", "failures");
  await view.signal("most", most).data("failures", failed).data("clean", clean).runAsync();
}

async function drawCheck(element) {
  const view = await draw(element, "value");
  await view.data("check", trend.checks[Number(element.dataset.check)].points).runAsync();
}

// ---- All of it ----

const there = (id) => document.getElementById(id) !== null;
for (const button of document.querySelectorAll("[data-sort]")) button.addEventListener("click", () => sortBy(button));
const pick = there("price") ? await drawPrices() : () => undefined;
for (const side of ["rising", "falling"]) if (there(side)) await drawMovers(side, pick);
if (there("failures")) await drawFailures();
for (const element of document.querySelectorAll("[data-check]")) await drawCheck(element);
document.documentElement.dataset.drawn = "";
