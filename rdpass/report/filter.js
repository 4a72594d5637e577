// A field above each long table that leaves the rows with what was typed; without scripts the table is whole.
for (const table of document.querySelectorAll("table.filterable")) {
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = "filter these " + table.tBodies[0].rows.length + " rows";
  field.setAttribute("aria-label", field.placeholder);
  field.addEventListener("input", () => {
    const sought = field.value.toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(sought);
  });
  table.before(field);
}
