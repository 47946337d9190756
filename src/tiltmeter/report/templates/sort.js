"use strict";
// a click on a column's button sorts by it, a second one the other way round; rows without a figure stay last
for (const button of document.querySelectorAll("table.sortable thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = button.closest("table"), body = table.tBodies[0];
    const index = head.cellIndex;
    const up = head.getAttribute("aria-sort") === "descending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => row.cells[index].dataset.sort ?? "";
    const rows = [...body.rows];
    const isNumber = rows.every(row => key(row) === "" || !isNaN(Number(key(row))));
    rows.sort((one, two) => {
      const a = key(one), b = key(two);
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = isNumber ? Number(a) - Number(b) : a.localeCompare(b);
      return up ? order : -order;
    });
    body.append(...rows);
  });
}
for (const filter of document.querySelectorAll("form.filter")) {
  const table = document.getElementById(filter.dataset.table);
  const told = filter.querySelector("output");
  const apply = () => {
    const task = filter.elements.task.value, method = filter.elements.method.value;
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = (task !== "" && row.dataset.task !== task) || (method !== "" && row.dataset.method !== method);
      if (!row.hidden) shown += 1;
    }
    told.textContent = shown + " rows";
  };
  filter.addEventListener("change", apply);
  filter.addEventListener("submit", event => event.preventDefault());
}
