// Keys and clicks anywhere on the page, told to the server; nothing is decided here.
const TYPED = ["INPUT", "TEXTAREA", "SELECT"];

function find(root, selector) {
  const hit = root.querySelector(selector);
  if (hit) return hit;
  for (const node of root.querySelectorAll("*")) {
    if (node.shadowRoot) {
      const inner = find(node.shadowRoot, selector);
      if (inner) return inner;
    }
  }
  return null;
}

export function render({ model }) {
  const key = (event) => {
    const at = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (TYPED.includes(at.tagName) && at.type !== "checkbox") return;
    if (!model.keys.includes(event.key)) return;
    event.preventDefault();
    model.send_msg({ key: event.key });
  };
  const click = (event) => {
    for (const node of event.composedPath()) {
      if (node.dataset && node.dataset.tell) {
        model.send_msg({ tell: node.dataset.tell, value: node.dataset.value || "" });
        return;
      }
    }
  };
  document.addEventListener("keydown", key);
  document.addEventListener("click", click);
  model.on("shown", () => {
    setTimeout(() => {
      const row = find(document, `[data-value="${model.shown}"]`);
      if (row) row.scrollIntoView({ block: "nearest" });
    }, 50);
  });
  model.on("remove", () => {
    document.removeEventListener("keydown", key);
    document.removeEventListener("click", click);
  });
  const nothing = document.createElement("span");
  nothing.hidden = true;
  return nothing;
}
