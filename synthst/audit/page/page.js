"use strict";
(() => {
  const PAGE = 25;
  const { lang, pairs } = JSON.parse(document.getElementById("data").textContent);
  const [ID, SOURCE, REAL, SYNTHETIC, CHRF, RATIO, REPETITION, FAULTS] = [0, 1, 2, 3, 4, 5, 6, 7];
  const find = (id) => document.getElementById(id);
  const [query, fault, order, body] = [find("query"), find("fault"), find("order"), find("table").tBodies[0]];
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const haystacks = pairs.map((pair) => fold([pair[ID], pair[SOURCE], pair[REAL] ?? "", pair[SYNTHETIC]].join("\n")));
  const byId = (one, other) => (one[ID] < other[ID] ? -1 : 1);
  const orders = {
    id: byId,
    chrf: (one, other) => one[CHRF] - other[CHRF] || byId(one, other),
    long: (one, other) => other[RATIO] - one[RATIO] || byId(one, other),
    short: (one, other) => one[RATIO] - other[RATIO] || byId(one, other),
    repetition: (one, other) => other[REPETITION] - one[REPETITION] || byId(one, other),
  };
  let [found, first, words] = [[], 0, []];

  function search() {
    words = fold(query.value).split(/\s+/).filter(Boolean);
    const wanted = fault.value;
    found = pairs.filter((pair, number) =>
      words.every((word) => haystacks[number].includes(word)) &&
      (!wanted || (wanted === "*" ? pair[FAULTS].length > 0 : pair[FAULTS].includes(wanted))));
    found.sort(orders[order.value]);
    first = 0;
    show();
  }

  function show() {
    const shown = found.slice(first, first + PAGE);
    body.replaceChildren(...shown.map(makeRow));
    const total = pairs.length.toLocaleString("en");
    find("status").textContent = found.length === pairs.length
      ? `${total} pairs` : `${found.length.toLocaleString("en")} of ${total} pairs`;
    find("position").textContent = found.length
      ? `${first + 1}–${first + shown.length} of ${found.length.toLocaleString("en")}` : "nothing found";
    find("before").disabled = first === 0;
    find("after").disabled = first + PAGE >= found.length;
  }

  function makeRow(pair) {
    const row = document.createElement("tr");
    const head = row.insertCell();
    const id = head.appendChild(document.createElement("code"));
    id.textContent = pair[ID];
    const numbers = head.appendChild(document.createElement("span"));
    numbers.className = "numbers";
    const agreement = pair[CHRF] === null ? "" : `chrF ${pair[CHRF].toFixed(1)}, `;
    numbers.textContent = `${agreement}${pair[RATIO].toFixed(2)} × length`;
    for (const name of pair[FAULTS]) {
      const label = head.appendChild(document.createElement("span"));
      label.className = "label";
      label.textContent = name;
    }
    addText(row, pair[SOURCE], "source", lang[0]);
    if (pair[REAL] !== null) addText(row, pair[REAL], "real", lang[1]);
    addText(row, pair[SYNTHETIC], "synthetic", lang[1]);
    return row;
  }

  function addText(row, text, title, language) {
    const cell = row.insertCell();
    cell.dataset.title = title;
    cell.className = `${title}-text`;
    const span = cell.appendChild(document.createElement("span"));
    span.className = "text";
    span.lang = language;
    span.dir = "auto";
    markWords(span, text);
  }

  function markWords(parent, text) {
    const lower = text.toLowerCase();
    let at = 0;
    while (words.length && lower.length === text.length) {
      const hits = words.map((word) => [lower.indexOf(word, at), word]).filter(([start]) => start >= 0);
      if (!hits.length) break;
      const [start, word] = hits.reduce((one, other) =>
        other[0] < one[0] || (other[0] === one[0] && other[1].length > one[1].length) ? other : one);
      parent.append(text.slice(at, start));
      parent.appendChild(document.createElement("mark")).textContent = text.slice(start, start + word.length);
      at = start + word.length;
    }
    parent.append(text.slice(at));
  }

  function turn(by) {
    first += by * PAGE;
    show();
    find("status").scrollIntoView({ block: "start" });
  }

  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
  query.addEventListener("input", search);
  fault.addEventListener("change", search);
  order.addEventListener("change", search);
  find("before").addEventListener("click", () => turn(-1));
  find("after").addEventListener("click", () => turn(1));
  search();
})();
