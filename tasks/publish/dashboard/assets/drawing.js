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

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const day = (time) => {
  const date = new Date(time);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
};
const price = (value) => {
  const decimals = value < 1 ? 4 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
};
const percent = (share) => `${(Math.abs(share) * 100).toFixed(2)}%`;
